"""How many dead letters are too many. Pure."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

from shared.errors import InvalidReason

_WINDOW = 1_000
_LEAST = 100


@dataclass(frozen=True, slots=True)
class Halt:
    """Why intake ended."""

    dead_letters: int
    records: int
    reason: InvalidReason
    max_share: float

    def __str__(self) -> str:
        return (
            f"halted: {self.dead_letters} of the last {self.records} records are dead letters (most often "
            f"{self.reason}), more than DLQ_MAX_SHARE={self.max_share:g} allows; fix the producer, or raise "
            f"DLQ_MAX_SHARE, and restart; `python -m services.processor dlq list` shows them"
        )


class DeadLetterLimit:
    """At most ``max_share`` of the last 1,000 records may be dead letters; the first 100 always may."""

    def __init__(self, max_share: float) -> None:
        self._max_share = max_share
        self._window: deque[InvalidReason | None] = deque()
        self._reasons: Counter[InvalidReason] = Counter()

    def good(self, number: int) -> None:
        for _ in range(min(number, _WINDOW)):
            self._push(None)

    def bad(self, reason: InvalidReason) -> Halt | None:
        """Why this one must not be buried any more; ``None`` where it may."""
        self._push(reason)
        letters, records = self._reasons.total(), len(self._window)
        if letters <= _LEAST or letters <= self._max_share * records:
            return None
        [(most_often, _)] = self._reasons.most_common(1)
        return Halt(letters, records, most_often, self._max_share)

    def _push(self, reason: InvalidReason | None) -> None:
        self._window.append(reason)
        if reason is not None:
            self._reasons[reason] += 1
        if len(self._window) > _WINDOW:
            gone = self._window.popleft()
            if gone is not None:
                self._reasons[gone] -= 1
