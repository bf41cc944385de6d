"""A thread whose failure is not lost."""

from __future__ import annotations

import threading
from collections.abc import Callable


class SupervisedThread(threading.Thread):
    """A daemon, so that a hung call cannot keep the process alive. ``check`` raises in the caller's
    thread what ended this one."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - raised again by check
            self._failure = error

    def check(self) -> None:
        if self._failure is not None:
            raise self._failure
