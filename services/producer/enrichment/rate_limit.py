"""Spread requests evenly, over all threads that share the limiter."""

from __future__ import annotations

import threading
from collections.abc import Callable


class RateLimiter:
    """At most ``rate`` turns a second; ``None`` for no limit. Thread-safe."""

    def __init__(self, rate: float | None, monotonic: Callable[[], float]) -> None:
        self._interval = 0.0 if rate is None else 1.0 / rate
        self._monotonic = monotonic
        self._next_turn = float("-inf")
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take the next turn; how many seconds to wait for it."""
        with self._lock:
            now = self._monotonic()
            turn = max(now, self._next_turn)
            self._next_turn = turn + self._interval
            return turn - now

    def hold(self, seconds: float) -> None:
        """Give no turn for so long: the server asked for it."""
        with self._lock:
            self._next_turn = max(self._next_turn, self._monotonic() + seconds)
