from __future__ import annotations

import random

from shared.resilience.backoff import Backoff


class Highest(random.Random):
    def uniform(self, a: float, b: float) -> float:
        assert a == 0.0
        return b


def test_delays_double_up_to_the_cap_and_start_again() -> None:
    backoff = Backoff(0.5, 3.0, Highest())
    assert [backoff.next_delay() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    backoff.reset()
    assert backoff.next_delay() == 0.5


def test_delays_are_spread_over_the_whole_range() -> None:
    backoff = Backoff(4.0, 4.0, random.Random(7))
    delays = [backoff.next_delay() for _ in range(400)]
    assert min(delays) < 0.2
    assert max(delays) > 3.8
