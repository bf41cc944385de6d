"""Wait at the start for dependencies that are away, and say so without a flood of lines."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from shared.errors import RetryableError
from shared.ports import Clock
from shared.resilience.backoff import Backoff

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_TURN_SECONDS = 0.2
_REPEAT_SECONDS = 60.0
_GRACE_SECONDS = 2.0
"""For an attempt that is about to end by itself: what it opened can then be closed."""


class Startup:
    """Used from one thread, but for ``waiting_for``, which may be read from any.

    ``meanwhile`` is called several times a second, whatever the attempts do: a heartbeat.
    """

    def __init__(
        self, stop: threading.Event, backoff: Backoff, clock: Clock, meanwhile: Callable[[], None]
    ) -> None:
        self._stop = stop
        self._backoff = backoff
        self._clock = clock
        self._meanwhile = meanwhile
        self._waiting_for: str | None = None

    @property
    def waiting_for(self) -> str | None:
        """The dependency that was away at the last attempt."""
        return self._waiting_for

    def wait_for(self, what: str, attempt: Callable[[], Result]) -> Result | None:
        """What ``attempt`` returns once it works; ``None`` if the process is to stop before.

        ``what`` names the dependency; the attempt's error says which setting leads to it. Each attempt has
        a thread of its own and may take as long as its own time limit: after ``stop`` this comes back
        within about two seconds all the same, and an attempt that still runs then is abandoned.

        :raises Exception: at once, what ``attempt`` raises that is not a ``RetryableError``, and what
            ``meanwhile`` raises.
        """
        started = self._clock.monotonic()
        next_warning = started
        while not self._stop.is_set():
            under_way = _begin(what, attempt)
            if not self._ends(under_way):
                return None
            try:
                result = under_way.result()
            except RetryableError as error:
                self._waiting_for = what
                waited = self._clock.monotonic() - started
                if started + waited >= next_warning:
                    next_warning = started + waited + _REPEAT_SECONDS
                    log.warning("waiting for %s", what, extra={"error": str(error), "seconds": round(waited)})
            else:
                self._arrived(what, started)
                return result
            self._pause(self._backoff.next_delay())
        return None

    def _ends(self, under_way: Future[Result]) -> bool:
        """Whether it ended, at the latest a short while after ``stop``."""
        while not self._stop.is_set():
            self._meanwhile()
            if wait([under_way], _TURN_SECONDS).done:
                return True
        return bool(wait([under_way], _GRACE_SECONDS).done)

    def _pause(self, seconds: float) -> None:
        while seconds > 0 and not self._stop.is_set():
            self._meanwhile()
            self._stop.wait(min(seconds, _TURN_SECONDS))
            seconds -= _TURN_SECONDS

    def _arrived(self, what: str, started: float) -> None:
        self._backoff.reset()
        if self._waiting_for is not None:
            self._waiting_for = None
            log.info("%s is there", what, extra={"seconds": round(self._clock.monotonic() - started)})


def _begin(what: str, attempt: Callable[[], Result]) -> Future[Result]:
    future: Future[Result] = Future()

    def run() -> None:
        try:
            result = attempt()
        except BaseException as error:  # noqa: BLE001 - carried to the thread that waits
            future.set_exception(error)
        else:
            future.set_result(result)

    # A daemon, unlike an executor's threads: an abandoned attempt does not hold up the process's end.
    threading.Thread(target=run, name=f"wait for {what}", daemon=True).start()
    return future
