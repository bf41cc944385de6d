"""Takes changes from a source at a chosen rate, or on demand, and puts their events on the log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from services.replay.event_log import RECENT_CHANGE, EventLog, Record
from services.replay.mediawiki_events import Emission
from services.replay.wiki import Pages


class Source(Protocol):
    """Where changes come from: the stories or a file. ``total`` is ``None`` where they never end."""

    mode: str
    total: int | None
    default_history: int

    @property
    def pages(self) -> Pages: ...

    @property
    def story_steps(self) -> dict[str, int]: ...

    def advance(self, now_ms: int) -> list[Emission] | None:
        """The events of the next change; ``None`` at the end."""


@dataclass(frozen=True, slots=True)
class Sent:
    emission: Emission
    record: Record


class Publisher:
    """Everything happens on the event loop's thread, so a page's state and its event appear at once."""

    def __init__(
        self,
        source: Source,
        log: EventLog,
        on_publish: Callable[[], None],
        *,
        rate: float,
        paused: bool,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.rate = rate
        self.paused = paused
        self.published = 0
        self.exhausted = False
        self.now_ms = now_ms
        self._source = source
        self._log = log
        self._on_publish = on_publish

    def publish_history(self, count: int) -> None:
        """``count`` changes at once, dated in the recent past at the distance of the rate."""
        now = self.now_ms()
        for back in range(count, 0, -1):
            if not self._next(now - int(back * 1000 / self.rate)):
                return

    def publish(self, count: int) -> list[Sent]:
        """The next ``count`` changes now; fewer if the source ends."""
        sent: list[Sent] = []
        for _ in range(count):
            sent += self._next(self.now_ms())
            if self.exhausted:
                break
        self._on_publish()
        return sent

    def send(self, emissions: list[Emission]) -> list[Sent]:
        """Changes made outside the timeline's order (a story's jump): one for each recentchange event."""
        sent = list(self._append(emissions))
        self.published += sum(item.emission.stream == RECENT_CHANGE for item in sent)
        self._on_publish()
        return sent

    def inject(self, stream: str, data: bytes) -> Record:
        """Any bytes as one event."""
        record = self._log.append_raw(stream, self.now_ms(), data)
        self._on_publish()
        return record

    async def run(self) -> None:
        """Publish at the rate until cancelled. What the loop misses while it is busy, it catches up."""
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            if self.paused or self.exhausted:
                await asyncio.sleep(_IDLE_SECONDS)
                due = clock()
                continue
            behind = int((clock() - due) * self.rate)
            if behind > 0:
                self.publish(min(behind, _MOST_AT_ONCE))
                due += behind / self.rate
            await asyncio.sleep(min(_IDLE_SECONDS, max(0.0, due + 1 / self.rate - clock())))

    def _next(self, ms: int) -> list[Sent]:
        emissions = self._source.advance(ms)
        if emissions is None:
            self.exhausted = True
            return []
        self.published += 1
        return list(self._append(emissions))

    def _append(self, emissions: list[Emission]) -> Iterator[Sent]:
        for emission in emissions:
            yield Sent(emission, self._log.append_event(emission.stream, emission.timestamp, emission.event))


_IDLE_SECONDS = 0.1
"""How soon a new rate, or the end of a pause, is noticed."""
_MOST_AT_ONCE = 1000
