from __future__ import annotations

from deploy.local.supervisor import ProcessState
from deploy.local.wait import StartAttempts


def state(name: str, started_at: int, state: str = "STARTING") -> ProcessState:
    return ProcessState(name, state, 1, started_at)


def test_a_service_that_starts_again_and_again_is_hopeless() -> None:
    attempts = StartAttempts()
    seen = [attempts.hopeless([state("api", 1), state("processor", start)]) for start in (1, 2, 2, 3, 4)]
    assert seen == [None, None, None, None, "processor"]


def test_a_service_that_was_given_up_is_hopeless_at_once() -> None:
    assert StartAttempts().hopeless([state("api", 1), state("broker", 1, "FATAL")]) == "broker"


def test_the_time_before_the_first_start_does_not_count() -> None:
    attempts = StartAttempts()
    assert [attempts.hopeless([state("api", start)]) for start in (0, 1, 2, 3)] == [None] * 4
