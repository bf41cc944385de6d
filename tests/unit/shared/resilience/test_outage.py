from __future__ import annotations

import logging

import pytest

from shared.errors import StoreUnavailable
from shared.resilience.outage import OutageLog
from tests.support.hand_clock import HandClock


class At:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.log = OutageLog(logging.getLogger("test"), "the feed", self.clock.monotonic)

    def fails_for(self, seconds: int) -> None:
        """A failure each second."""
        for _ in range(seconds):
            self.log.failed(StoreUnavailable("away"))
            self.clock.sleep(1)


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, int]]:
    return [(record.levelname, record.getMessage(), record.__dict__["seconds"]) for record in caplog.records]


def test_what_works_is_not_worth_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    At().log.worked()
    assert said(caplog) == []


def test_an_outage_has_a_line_at_its_ends_and_one_a_minute_between(caplog: pytest.LogCaptureFixture) -> None:
    at = At()
    at.fails_for(130)
    for _ in range(3):
        at.log.worked()
    assert said(caplog) == [
        *[("WARNING", "the feed cannot be reached", seconds) for seconds in (0, 60, 120)],
        ("WARNING", "the feed is reached again", 130),
    ]
    assert caplog.records[0].__dict__["error"] == "away"


def test_the_next_outage_is_another(caplog: pytest.LogCaptureFixture) -> None:
    at = At()
    at.fails_for(5)
    at.log.worked()
    caplog.clear()
    at.fails_for(1)
    assert said(caplog) == [("WARNING", "the feed cannot be reached", 0)]
