from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

import pytest

from shared.errors import BrokerUnavailable, RagError, StoreDamaged, StoreMismatch, StoreUnavailable
from shared.resilience.backoff import Backoff
from shared.resilience.startup import Startup
from tests.support.hand_clock import HandClock
from tests.support.processes import wait_until


class At:
    """A startup whose attempts follow upon each other without a pause."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.clock = HandClock()
        self.turns = 0
        self.backoff = Backoff(0.0, 0.0, random.Random(1))
        self.startup = Startup(self.stop, self.backoff, self.clock, self._turn)

    def _turn(self) -> None:
        self.turns += 1


@pytest.fixture
def at() -> At:
    return At()


def failing(times: int, error: Exception, then: Callable[[], None] = lambda: None) -> Callable[[], str]:
    left = [error] * times

    def attempt() -> str:
        if left:
            then()
            raise left.pop()
        return "opened"

    return attempt


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_what_works_at_once_is_not_worth_a_line(at: At, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert at.startup.wait_for("the store", lambda: "opened") == "opened"
    assert at.startup.waiting_for is None
    assert said(caplog) == []


def test_it_tries_until_it_works_and_warns_once(at: At, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    seen: list[str | None] = []
    attempt = failing(
        50, StoreUnavailable("REDIS_URL=x: no answer"), lambda: seen.append(at.startup.waiting_for)
    )
    assert at.startup.wait_for("the store", attempt) == "opened"
    assert seen == [None] + ["the store"] * 49
    assert at.startup.waiting_for is None
    assert said(caplog) == [("WARNING", "waiting for the store"), ("INFO", "the store is there")]
    assert vars(caplog.records[0])["error"] == "REDIS_URL=x: no answer"


def test_it_says_now_and_then_that_it_still_waits(at: At, caplog: pytest.LogCaptureFixture) -> None:
    def ten_seconds_later() -> None:
        at.clock.seconds += 10

    assert at.startup.wait_for("the store", failing(12, StoreUnavailable("x"), ten_seconds_later)) == "opened"
    assert [vars(record)["seconds"] for record in caplog.records] == [10, 70]


@pytest.mark.parametrize("error", [StoreMismatch("rebuild"), StoreDamaged("restore"), RagError("other")])
def test_what_waiting_cannot_cure_ends_it_at_once(
    at: At, caplog: pytest.LogCaptureFixture, error: RagError
) -> None:
    attempt = failing(1, error)
    with pytest.raises(type(error)) as caught:
        at.startup.wait_for("the store", attempt)
    assert caught.value is error
    assert said(caplog) == []


def test_one_dependency_after_the_other(at: At, caplog: pytest.LogCaptureFixture) -> None:
    at.startup.wait_for("the store", failing(1, StoreUnavailable("x")))
    at.startup.wait_for("the broker", failing(1, BrokerUnavailable("y")))
    assert said(caplog) == [("WARNING", "waiting for the store"), ("WARNING", "waiting for the broker")]


def test_a_stopped_process_does_not_try(at: At) -> None:
    at.stop.set()
    assert at.startup.wait_for("the store", lambda: "opened") is None


@pytest.mark.timeout(30)
def test_a_stop_ends_a_long_pause(at: At) -> None:
    at.backoff = Backoff(1e6, 1e6, random.Random(2))
    startup = Startup(at.stop, at.backoff, at.clock, at._turn)
    attempt = failing(1, StoreUnavailable("x"), lambda: threading.Timer(0.1, at.stop.set).start())
    assert startup.wait_for("the store", attempt) is None


@pytest.mark.timeout(30)
def test_it_turns_while_an_attempt_stands_still_and_leaves_it_at_a_stop(at: At) -> None:
    release = threading.Event()

    def stop_after_some_turns() -> None:
        wait_until(lambda: at.turns >= 3, 20, "turns during the attempt")
        at.stop.set()

    watcher = threading.Thread(target=stop_after_some_turns)
    watcher.start()
    try:
        assert at.startup.wait_for("the store", release.wait) is None
    finally:
        release.set()
        watcher.join()


def test_what_an_attempt_opened_at_the_last_moment_is_not_lost(at: At) -> None:
    def attempt() -> str:
        at.stop.set()
        assert not threading.Event().wait(0.5)  # it takes a moment longer
        return "opened"

    assert at.startup.wait_for("the store", attempt) == "opened"


def test_an_error_of_the_heartbeat_is_not_swallowed() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    at = At()
    startup = Startup(at.stop, at.backoff, at.clock, broken)
    with pytest.raises(ZeroDivisionError):
        startup.wait_for("the store", lambda: "opened")
