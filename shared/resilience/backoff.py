"""How long to wait before the next attempt."""

from __future__ import annotations

import random


class Backoff:
    """Exponential, capped, with full jitter, so that many clients do not come back together.

    ``base`` and ``cap`` are in seconds; the n-th delay is uniform in ``[0, min(cap, base * 2**n)]``.
    """

    def __init__(self, base: float, cap: float, rng: random.Random) -> None:
        self._base = base
        self._cap = cap
        self._rng = rng
        self._ceiling = base

    def next_delay(self) -> float:
        delay = self._rng.uniform(0.0, min(self._ceiling, self._cap))
        self._ceiling = min(self._ceiling * 2, self._cap)
        return delay

    def reset(self) -> None:
        """The attempt succeeded: start again from ``base``."""
        self._ceiling = self._base
