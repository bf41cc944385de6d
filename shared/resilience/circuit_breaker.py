"""Leave alone what keeps failing, and try it again with one call at a time."""

from __future__ import annotations

import threading
from enum import StrEnum

from shared.errors import RetryableError
from shared.ports import Clock

_LONGEST_FACTOR = 6


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitOpen(RetryableError):
    """``retry_after``: in how many seconds a call may be let through."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"it failed too often and is left alone for {retry_after:.1f} s more")
        self.retry_after = retry_after


class CircuitBreaker:
    """Opens after ``failures`` failures in a row. After ``seconds`` one call is let through: it closes
    the circuit, or opens it again for twice as long, up to six times ``seconds``. Safe to call from several
    threads, with any number of calls under way at once.
    """

    def __init__(self, failures: int, seconds: float, clock: Clock) -> None:
        self._most_failures = failures
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._state = BreakerState.CLOSED
        self._failures = 0
        self._pause = seconds
        self._closed_until = 0.0
        self._episode = 0
        self._probe: Permit | None = None

    @property
    def state(self) -> BreakerState:
        with self._lock:
            return self._current()

    def check(self) -> None:
        """Whether ``enter`` is worth a try, for who would have to wait before it.

        :raises CircuitOpen: it is not.
        """
        with self._lock:
            self._require_not_open()

    def enter(self) -> Permit:
        """Before a call; its end must be told to the permit.

        :raises CircuitOpen: the call is not to be made.
        """
        with self._lock:
            self._require_not_open()
            if self._current() is BreakerState.CLOSED:
                return Permit(self, self._episode)
            if self._probe is not None:
                raise CircuitOpen(self._seconds)
            self._begin(BreakerState.HALF_OPEN)
            self._probe = Permit(self, self._episode)
            return self._probe

    def watch(self) -> Permit:
        """Before a call that is always made: only its failure counts."""
        with self._lock:
            return Permit(self, self._episode)

    def _require_not_open(self) -> None:
        if self._current() is BreakerState.OPEN:
            raise CircuitOpen(self._closed_until - self._clock.monotonic())

    def _current(self) -> BreakerState:
        if self._state is BreakerState.OPEN and self._clock.monotonic() >= self._closed_until:
            return BreakerState.HALF_OPEN
        return self._state

    def _begin(self, state: BreakerState) -> None:
        """From now on the ends of calls that began earlier say nothing."""
        self._state = state
        self._episode += 1
        self._failures = 0
        self._probe = None

    def end(self, permit: Permit, success: bool | None) -> None:
        """``success`` is ``None`` where the call says nothing about the health of what was called."""
        with self._lock:
            if permit.episode != self._episode:
                return
            if self._current() is BreakerState.HALF_OPEN:
                self._end_half_open(permit, success)
            elif success:
                self._failures = 0
            elif success is False:
                self._failures += 1
                if self._failures >= self._most_failures:
                    self._open(self._seconds)

    def _end_half_open(self, permit: Permit, success: bool | None) -> None:
        if success is False:
            self._open(min(self._pause * 2, self._seconds * _LONGEST_FACTOR))
        elif permit is self._probe:
            if success:
                self._begin(BreakerState.CLOSED)
            self._probe = None

    def _open(self, pause: float) -> None:
        self._begin(BreakerState.OPEN)
        self._pause = pause
        self._closed_until = self._clock.monotonic() + pause


class Permit:
    """One call's leave to be made. The first end counts; further ones do nothing."""

    def __init__(self, breaker: CircuitBreaker, episode: int) -> None:
        self.episode = episode
        self._breaker: CircuitBreaker | None = breaker

    def succeeded(self) -> None:
        self._end(True)

    def failed(self) -> None:
        self._end(False)

    def abandoned(self) -> None:
        """The call ended without showing whether what was called is well."""
        self._end(None)

    def _end(self, success: bool | None) -> None:
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker.end(self, success)
