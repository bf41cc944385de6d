"""Whether the dependencies are usable right now."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.errors import RagError
from shared.ports import Clock

log = logging.getLogger(__name__)

Check = Callable[[], object]


@dataclass(frozen=True, slots=True)
class ReadinessReport:
    """``failures``: why, by the name of the check; empty means ready. The reasons name addresses and
    paths, so they are for the log and not for whoever asks."""

    checks: tuple[str, ...]
    failures: Mapping[str, str]

    @property
    def ready(self) -> bool:
        return not self.failures


class Readiness:
    """Runs named checks; one that raises ``RagError`` has failed.

    A report is used again for ``max_age`` seconds: probes need no key, so they must not become a way
    to load the dependencies. Safe to call from several threads.
    """

    def __init__(self, checks: Mapping[str, Check], clock: Clock, max_age: float = 1.0) -> None:
        self._checks = dict(checks)
        self._clock = clock
        self._max_age = max_age
        self._lock = threading.Lock()
        self._report: ReadinessReport | None = None
        self._reported_at = 0.0

    def report(self) -> ReadinessReport:
        with self._lock:
            if self._report is None or self._clock.monotonic() - self._reported_at >= self._max_age:
                before = self._report.failures if self._report else {}
                self._report = self._run()
                for name, reason in self._report.failures.items():
                    if name not in before:
                        log.warning("not ready", extra={"check": name, "reason": reason})
                self._reported_at = self._clock.monotonic()
            return self._report

    def _run(self) -> ReadinessReport:
        failures = {}
        for name, check in self._checks.items():
            try:
                check()
            except RagError as error:
                failures[name] = str(error)
        return ReadinessReport(tuple(self._checks), failures)
