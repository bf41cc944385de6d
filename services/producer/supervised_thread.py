"""A thread whose failure is not lost, and whose standing still is seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_WAIT_SLICE_SECONDS = 5.0


class SupervisedThread(threading.Thread):
    """A daemon, so that a hung call cannot keep the process alive. ``check`` raises in the caller's
    thread what ended this one."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._failure: BaseException | None = None
        self._turned = time.monotonic()

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - raised again by check
            self._failure = error

    def check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def turned(self) -> None:
        self._turned = time.monotonic()

    def is_stuck(self, seconds: float) -> bool:
        """It has been in one step for longer than that."""
        return self.is_alive() and time.monotonic() - self._turned > seconds


def mark_turn() -> None:
    """The calling thread goes on with its loop. Of no effect where nobody supervises it."""
    thread = threading.current_thread()
    if isinstance(thread, SupervisedThread):
        thread.turned()


def wait_turning(event: threading.Event) -> Callable[[float], bool]:
    """``event.wait`` for threads whose waiting, however long, is not standing still."""

    def wait(seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > _WAIT_SLICE_SECONDS:
            mark_turn()
            if event.wait(_WAIT_SLICE_SECONDS):
                return True
        mark_turn()
        return event.wait(max(0.0, left))

    return wait
