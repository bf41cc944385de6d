"""How many questions are looked up at the same time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Lanes:
    """``width`` threads at a time, the others wait. Python runs one thread at a time: many that take turns in
    the middle of their work need several times the processor time that they need one after the other."""

    def __init__(self, width: int) -> None:
        self._lanes = threading.Semaphore(width)
        self._lock = threading.Lock()
        self._inside = 0

    @property
    def inside(self) -> int:
        """How many are at work or waiting."""
        return self._inside

    @contextlib.contextmanager
    def enter(self) -> Iterator[bool]:
        """Whether there is nobody else, neither at work nor waiting."""
        with self._lock:
            self._inside += 1
            alone = self._inside == 1
        try:
            with self._lanes:
                yield alone
        finally:
            with self._lock:
                self._inside -= 1
