"""So many at once, so many waiting, and nobody waits for long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from shared.errors import RetryableError


class FullReason(StrEnum):
    QUEUE_FULL = "queue_full"
    QUEUE_TIMEOUT = "queue_timeout"


class BulkheadFull(RetryableError):
    def __init__(self, reason: FullReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Bulkhead:
    """``max_concurrent`` hold a slot at once; ``max_queue`` more wait for one, in the order of asking,
    ``queue_seconds`` at most. Safe to call from several threads."""

    def __init__(self, max_concurrent: int, max_queue: int, queue_seconds: float) -> None:
        self._size = self._free = max_concurrent
        self._max_queue = max_queue
        self._queue_seconds = queue_seconds
        self._lock = threading.Lock()
        self._queue: list[threading.Event] = []

    @property
    def active(self) -> int:
        return self._size - self._free

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot for the body.

        :raises BulkheadFull: before the body, if there is no slot to be had.
        """
        self._acquire()
        try:
            yield
        finally:
            self._release()

    def _acquire(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            if len(self._queue) >= self._max_queue:
                raise BulkheadFull(FullReason.QUEUE_FULL)
            turn = threading.Event()
            self._queue.append(turn)
        if turn.wait(self._queue_seconds):
            return
        with self._lock:
            if not turn.is_set():  # a slot may have been handed over since
                self._queue.remove(turn)
                raise BulkheadFull(FullReason.QUEUE_TIMEOUT)

    def _release(self) -> None:
        """A slot goes straight to who has waited longest, so that no newcomer is faster."""
        with self._lock:
            if self._queue:
                self._queue.pop(0).set()
            else:
                self._free += 1
