"""Real Wikipedia edits at the rate of the whole live stream: nothing lost, no growing lag."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.real_edits import replayed
from bench.statistics import percentile

RATE = 40


@pytest.mark.parametrize(
    "seconds", [15, pytest.param(180, marks=[pytest.mark.soak, pytest.mark.timeout(900)])]
)
def test_every_edit_arrives_in_its_newest_revision(shared_data: Path, tmp_path: Path, seconds: int) -> None:
    result = replayed(tmp_path, RATE, seconds)
    assert result.faults == []
    assert result.documents == result.expected
    assert result.dead_letters == 0
    if seconds > 60:
        third = len(result.lags) // 3
        growth = percentile(result.lags[-third:], 0.5) - percentile(result.lags[:third], 0.5)
        assert growth < RATE, f"the lag grew by {growth} records"
