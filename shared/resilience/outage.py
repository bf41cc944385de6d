"""Say that something is away, and that it is back, without a flood of lines in between."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

_REPEAT_SECONDS = 60.0


@dataclass(slots=True)
class _UnderWay:
    began: float
    next_line: float


class OutageLog:
    """Used from one thread. ``monotonic`` in seconds."""

    def __init__(self, log: logging.Logger, what: str, monotonic: Callable[[], float]) -> None:
        """``what`` begins each line: "the change feed"."""
        self._log = log
        self._what = what
        self._monotonic = monotonic
        self._outage: _UnderWay | None = None

    def failed(self, error: Exception) -> None:
        """A warning for the first failure, and once a minute as long as it goes on."""
        now = self._monotonic()
        if self._outage is None:
            self._outage = _UnderWay(now, now)
        if now >= self._outage.next_line:
            self._outage.next_line = now + _REPEAT_SECONDS
            self._log.warning(
                "%s cannot be reached",
                self._what,
                extra={"error": str(error), "seconds": round(now - self._outage.began)},
            )

    def worked(self) -> None:
        """A line only where it had failed before; a warning too, so that who reads those sees the end."""
        if self._outage is not None:
            seconds = round(self._monotonic() - self._outage.began)
            self._outage = None
            self._log.warning("%s is reached again", self._what, extra={"seconds": seconds})
