"""Try again for a while: a long rebuild must not fail because the store was busy for a moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from services.processor.commands.stopping import check
from shared.errors import StoreUnavailable
from shared.ports import Clock
from shared.resilience.backoff import Backoff

_Result = TypeVar("_Result")


class Patience:
    """``seconds``: how long one step may keep failing."""

    def __init__(self, stop: threading.Event, clock: Clock, backoff: Backoff, seconds: float = 60.0) -> None:
        self._stop = stop
        self._clock = clock
        self._backoff = backoff
        self._seconds = seconds

    def __call__(self, step: Callable[[], _Result]) -> _Result:
        """``step`` can be repeated without harm.

        :raises StoreUnavailable: that of the last attempt.
        :raises Stopped: a signal has arrived.
        """
        deadline = self._clock.monotonic() + self._seconds
        while True:
            check(self._stop)
            try:
                result = step()
            except StoreUnavailable:
                if self._clock.monotonic() >= deadline:
                    raise
                self._stop.wait(self._backoff.next_delay())
            else:
                self._backoff.reset()
                return result
