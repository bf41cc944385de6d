from __future__ import annotations

import pytest

from bench.statistics import median_interval, percentile, spread


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([5.0], 0.5, 5.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([float(value) for value in range(1, 101)], 0.95, 95.0),
        ([float(value) for value in range(1, 51)], 0.99, 50.0),
        ([1.0, 2.0], 0.0, 1.0),
    ],
)
def test_percentile_is_the_nearest_rank(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def test_spread_names_its_unit_and_count() -> None:
    assert spread([1.0, 2.0], "s") == "p50 1.000  p95 2.000  p99 2.000  max 2.000 s  (n=2)"


@pytest.mark.parametrize(("count", "low", "high"), [(1, 1, 1), (4, 1, 4), (100, 41, 60), (400, 181, 220)])
def test_the_interval_of_a_median_narrows_with_more_values(count: int, low: int, high: int) -> None:
    assert median_interval([float(value) for value in range(count, 0, -1)]) == (low, high)
