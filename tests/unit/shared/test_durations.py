from __future__ import annotations

from datetime import timedelta

import pytest

from shared.durations import describe_age


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (-5, "just now"),
        (0.9, "just now"),
        (1, "1 second ago"),
        (59.9, "59 seconds ago"),
        (60, "1 minute ago"),
        (7199, "1 hour ago"),
        (86_400 * 2, "2 days ago"),
        (86_400 * 800, "2 years ago"),
    ],
)
def test_ages_are_rounded_down_to_their_largest_unit(seconds: float, age: str) -> None:
    assert describe_age(timedelta(seconds=seconds)) == age
