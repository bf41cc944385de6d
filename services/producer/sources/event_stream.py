"""The stream as if it never ended: reconnects, resumes, and says why."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
from prometheus_client import Counter

from services.producer.resume import Position, by_time, is_event_id, rewound
from services.producer.sources.sse import ConnectionRefused, SseConnection, connect
from shared.ports import Clock
from shared.resilience.backoff import Backoff
from shared.resilience.retry_after import retry_after_seconds

log = logging.getLogger(__name__)

_STEADY_SECONDS = 5.0
_REFUSED_SECONDS = 1.0
_HOPELESS_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """``position`` is where to go on after this event; ``None`` where its id makes no sense."""

    data: bytes
    position: Position | None


@dataclass(frozen=True, slots=True)
class StreamTuning:
    url: str
    rewind: timedelta
    max_event_bytes: int


class EventStream:
    """Read from one thread; ``interrupt`` and ``connected`` are for others.

    ``wait`` sleeps for the given seconds or until the process stops, and returns whether it stops.
    """

    def __init__(
        self,
        client: httpx.Client,
        tuning: StreamTuning,
        start: Position,
        *,
        backoff: Backoff,
        clock: Clock,
        wait: Callable[[float], bool],
        reconnects: Counter,
        stale_cursors: Counter,
    ) -> None:
        self._client = client
        self._tuning = tuning
        self._position = start
        self._read_up_to = start
        self._backoff = backoff
        self._clock = clock
        self._wait = wait
        self._reconnects = reconnects
        self._stale_cursors = stale_cursors
        self._connection: SseConnection | None = None
        self._connected_before = False
        self._progressed = False
        self._bad_id_reported = False

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def mark_progress(self) -> None:
        """The last event was not one that we had already: go on after it, should the connection end.

        Without this, connections that break early would each step back further.
        """
        self._progressed = True
        self._position = self._read_up_to

    def interrupt(self) -> None:
        connection = self._connection
        if connection is not None:
            connection.interrupt()

    def events(self) -> Iterator[SourceEvent]:
        """Ends only when ``wait`` says that the process stops."""
        delay = 0.0
        while not self._wait(delay):
            started = self._clock.monotonic()
            self._progressed = False
            try:
                yield from self._one_connection()
                problem = "the server closed the connection"
                least = 0.0
            except ConnectionRefused as refusal:
                problem, least = self._judge(refusal)
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__}: {error}"
                least = 0.0
            finally:
                self._connection = None
            if self._wait(0.0):
                return
            worthwhile = self._progressed or self._clock.monotonic() - started >= _STEADY_SECONDS
            if worthwhile:
                self._backoff.reset()
            delay = max(least, self._backoff.next_delay())
            log.log(
                logging.INFO if worthwhile else logging.WARNING,
                "disconnected from the source",
                extra={"problem": problem, "url": self._tuning.url, "retry_in_seconds": round(delay, 2)},
            )

    def _one_connection(self) -> Iterator[SourceEvent]:
        position = rewound(self._position, self._tuning.rewind)
        with connect(self._client, self._tuning.url, position, self._tuning.max_event_bytes) as connection:
            self._connection = connection
            if self._connected_before:
                self._reconnects.inc()
            self._connected_before = True
            log.info("connected to the source", extra={"url": self._tuning.url})
            for event in connection.events():
                if event.kind == "error":
                    log.warning("the source reports an error", extra={"error": _shorten(event.data)})
                    return
                if event.kind != "message":
                    continue
                after = self._position_after(event.event_id)
                self._read_up_to = after or self._position
                yield SourceEvent(event.data, after)

    def _position_after(self, event_id: str) -> Position | None:
        text = event_id.encode("latin-1").decode(errors="replace")
        if is_event_id(text):
            self._bad_id_reported = False
            return Position(self._position.since_ms, text)
        if not self._bad_id_reported:
            self._bad_id_reported = True
            log.warning("an event id makes no sense; the last good one is kept", extra={"id": text[:200]})
        return None

    def _judge(self, refusal: ConnectionRefused) -> tuple[str, float]:
        """What happened, and the least time to wait in seconds."""
        problem = f"status {refusal.status}"
        asked = retry_after_seconds(refusal.retry_after, self._clock.now())
        if refusal.status == httpx.codes.FORBIDDEN:
            log.error(
                "the source refuses this client: set WIKIMEDIA_USER_AGENT to your own"
                " name/version (url; contact)"
            )
            return problem, _HOPELESS_SECONDS
        if refusal.status in (httpx.codes.BAD_REQUEST, httpx.codes.NOT_FOUND):
            if self._position.last_event_id is not None:
                self._stale_cursors.inc()
                log.error(
                    "the source does not know the stored position: going on by its time; what the source"
                    " no longer keeps is lost",
                    extra={"position": self._position.last_event_id},
                )
                self._position = by_time(self._position, self._tuning.rewind)
                return problem, asked or 0.0
            log.error("the source does not know the stream: check WIKIMEDIA_STREAMS and its address")
            return problem, _HOPELESS_SECONDS
        return problem, max(_REFUSED_SECONDS, asked or 0.0)


def _shorten(data: bytes) -> str:
    return data[:300].decode(errors="replace")
