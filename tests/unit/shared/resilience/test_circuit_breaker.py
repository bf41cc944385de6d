from __future__ import annotations

import pytest

from shared.resilience.circuit_breaker import BreakerState, CircuitBreaker, CircuitOpen
from tests.support.hand_clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def breaker(clock: HandClock) -> CircuitBreaker:
    """Opens after three failures, for ten seconds."""
    return CircuitBreaker(3, 10.0, clock)


def _fail(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        breaker.enter().failed()


def _is_open(breaker: CircuitBreaker) -> bool:
    try:
        breaker.enter().abandoned()
    except CircuitOpen:
        return True
    return False


def test_failures_in_a_row_open_it(breaker: CircuitBreaker) -> None:
    _fail(breaker, 2)
    breaker.enter().succeeded()
    _fail(breaker, 2)
    assert breaker.state is BreakerState.CLOSED
    _fail(breaker, 1)
    assert breaker.state is BreakerState.OPEN
    with pytest.raises(CircuitOpen, match=r"10\.0 s"):
        breaker.enter()
    with pytest.raises(CircuitOpen):
        breaker.check()


def test_what_says_nothing_changes_nothing(breaker: CircuitBreaker) -> None:
    _fail(breaker, 2)
    breaker.enter().abandoned()
    _fail(breaker, 1)
    assert breaker.state is BreakerState.OPEN


def test_one_call_at_a_time_tries_it_again(breaker: CircuitBreaker, clock: HandClock) -> None:
    _fail(breaker, 3)
    clock.sleep(9.9)
    assert _is_open(breaker)
    clock.sleep(0.2)
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.check()
    probe = breaker.enter()
    assert _is_open(breaker)
    probe.succeeded()
    assert breaker.state is BreakerState.CLOSED
    _fail(breaker, 2)
    assert breaker.state is BreakerState.CLOSED


def test_a_probe_that_says_nothing_leaves_its_turn_to_the_next(
    breaker: CircuitBreaker, clock: HandClock
) -> None:
    _fail(breaker, 3)
    clock.sleep(10.0)
    breaker.enter().abandoned()
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.enter().succeeded()
    assert breaker.state is BreakerState.CLOSED


def test_failed_probes_double_the_pause_up_to_six_times(breaker: CircuitBreaker, clock: HandClock) -> None:
    _fail(breaker, 3)
    for pause in (10.0, 20.0, 40.0, 60.0, 60.0):
        clock.sleep(pause - 0.1)
        assert _is_open(breaker), pause
        clock.sleep(0.2)
        _fail(breaker, 1)
    clock.sleep(60.0)
    breaker.enter().succeeded()
    _fail(breaker, 3)
    clock.sleep(10.0)
    assert breaker.state is BreakerState.HALF_OPEN


def test_calls_of_an_earlier_time_do_not_count(breaker: CircuitBreaker, clock: HandClock) -> None:
    late_failure, late_success = breaker.enter(), breaker.enter()
    _fail(breaker, 3)
    late_success.succeeded()
    assert breaker.state is BreakerState.OPEN
    clock.sleep(10.0)
    probe = breaker.enter()
    late_failure.failed()
    assert breaker.state is BreakerState.HALF_OPEN
    probe.succeeded()
    assert breaker.state is BreakerState.CLOSED


def test_only_the_first_end_of_a_call_counts(breaker: CircuitBreaker) -> None:
    for _ in range(3):
        permit = breaker.enter()
        permit.succeeded()
        permit.failed()
    assert breaker.state is BreakerState.CLOSED


def test_of_a_watched_call_only_the_failure_counts(breaker: CircuitBreaker, clock: HandClock) -> None:
    for _ in range(3):
        breaker.watch().failed()
    assert breaker.state is BreakerState.OPEN
    clock.sleep(10.0)
    breaker.watch().succeeded()
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.watch().failed()
    assert breaker.state is BreakerState.OPEN
    clock.sleep(20.0)
    probe = breaker.enter()
    breaker.watch().abandoned()
    assert _is_open(breaker)
    probe.succeeded()
    assert breaker.state is BreakerState.CLOSED
