"""Reconnects, resumption and refusals, with a scripted server and a clock that the test owns."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prometheus_client import CollectorRegistry

from services.producer.resume import Position
from services.producer.sources.event_stream import EventStream, SourceEvent, StreamTuning
from shared.observability.metrics import ProducerMetrics
from shared.resilience.backoff import Backoff

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
BEGINNING = Position(0)


def event_id(timestamp: int) -> str:
    return json.dumps([{"topic": "eqiad.x", "partition": 0, "timestamp": timestamp}], separators=(",", ":"))


def frame(timestamp: int, data: str = "{}") -> bytes:
    return f"event: message\nid: {event_id(timestamp)}\ndata: {data}\n\n".encode()


def stream(*frames: bytes) -> httpx.Response:
    return httpx.Response(
        200, headers={"Content-Type": "text/event-stream"}, content=b":ok\n\n" + b"".join(frames)
    )


class ManualClock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Bench:
    """A stream over scripted responses; stops when the script is at its end."""

    def __init__(self, *responses: httpx.Response | Exception, start: Position = BEGINNING) -> None:
        self.requests: list[httpx.Request] = []
        self.delays: list[float] = []
        self.clock = ManualClock()
        self.metrics = ProducerMetrics(CollectorRegistry())
        self._script: Iterator[httpx.Response | Exception] = iter(responses)
        self._left = len(responses)
        self.events = EventStream(
            httpx.Client(transport=httpx.MockTransport(self._respond)),
            StreamTuning("http://stream/v2/stream/x", timedelta(seconds=5), 1_000_000),
            start,
            backoff=Backoff(0.5, 60.0, random.Random(1)),
            clock=self.clock,
            wait=self._wait,
            reconnects=self.metrics.reconnects,
            stale_cursors=self.metrics.stale_cursors,
        )

    def _respond(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self._left -= 1
        response = next(self._script)
        if isinstance(response, Exception):
            raise response
        return response

    def _wait(self, seconds: float) -> bool:
        if seconds or not self.delays:
            self.delays.append(seconds)
        self.clock.sleep(seconds)
        return self._left == 0

    def read(self, each: Callable[[SourceEvent], None] | None = None) -> list[SourceEvent]:
        result = []
        for event in self.events.events():
            (each or (lambda _event: self.events.mark_progress()))(event)
            result.append(event)
        return result

    @property
    def resumed_at(self) -> list[int | None]:
        """The timestamp of each request's Last-Event-ID."""
        headers = [request.headers.get("last-event-id") for request in self.requests]
        return [None if header is None else json.loads(header)[0]["timestamp"] for header in headers]


def test_after_a_clean_cut_it_reconnects_within_a_second_and_resumes_earlier() -> None:
    bench = Bench(stream(frame(10_000), frame(20_000)), stream(frame(30_000)))
    events = bench.read()
    assert [event.position for event in events] == [
        Position(0, event_id(timestamp)) for timestamp in (10_000, 20_000, 30_000)
    ]
    assert bench.resumed_at == [None, 15_000]
    assert bench.delays[1] < 1.0
    assert bench.metrics.reconnects._value.get() == 1


def test_connections_that_bring_only_what_is_known_do_not_step_further_back() -> None:
    old = stream(frame(16_000)), stream(frame(16_000)), stream(frame(16_000))
    bench = Bench(stream(frame(20_000)), *old)
    first = True

    def each(_event: SourceEvent) -> None:
        nonlocal first
        if first:
            bench.events.mark_progress()
        first = False

    bench.read(each)
    assert bench.resumed_at == [None, 15_000, 15_000, 15_000]


def test_errors_back_off_up_to_the_cap_and_recover() -> None:
    failures = [httpx.ConnectError("refused") for _ in range(12)]
    bench = Bench(*failures, stream(frame(1)), httpx.ConnectError("again"))
    bench.read()
    ceilings = [0.5 * 2**n for n in range(12)]
    assert all(delay <= min(60.0, top) for delay, top in zip(bench.delays[1:], ceilings, strict=False))
    assert max(bench.delays) > 10.0
    assert bench.delays[13] < 0.5, "a good connection starts the backoff again"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("header", ["30", "Sun, 22 Nov 2026 09:30:30 GMT"])
def test_retry_after_is_honoured(status: int, header: str) -> None:
    bench = Bench(httpx.Response(status, headers={"Retry-After": header}), stream())
    bench.read()
    assert 30.0 <= bench.delays[1] < 31.0


def test_429_without_retry_after_waits_at_least_a_second() -> None:
    bench = Bench(httpx.Response(429), stream())
    bench.read()
    assert bench.delays[1] >= 1.0


def test_403_names_the_setting_and_waits_long(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(httpx.Response(403), stream(), start=Position(0, event_id(9_000)))
    bench.read()
    assert "WIKIMEDIA_USER_AGENT" in caplog.text
    assert bench.delays[1] >= 60.0
    assert bench.resumed_at == [4_000, 4_000], "the position is kept"


@pytest.mark.parametrize("status", [400, 404])
def test_a_stale_cursor_is_said_counted_and_left(status: int, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(httpx.Response(status), stream(), start=Position(0, event_id(9_000)))
    bench.read()
    assert bench.metrics.stale_cursors._value.get() == 1
    assert bench.resumed_at == [4_000, None]
    assert bench.requests[1].url.params["since"] == "4000", "by time, as much as the server still has"
    assert any(record.levelno == logging.ERROR for record in caplog.records)


def test_404_without_a_cursor_names_the_setting(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(httpx.Response(404), stream())
    bench.read()
    assert "WIKIMEDIA_STREAMS" in caplog.text
    assert bench.delays[1] >= 60.0
    assert bench.metrics.stale_cursors._value.get() == 0


def test_a_malformed_id_leaves_the_position_at_the_last_good_one(caplog: pytest.LogCaptureFixture) -> None:
    bad = [f"event: message\nid: {text}\ndata: {{}}\n\n".encode() for text in ("what", "{}", "[3]")]
    bench = Bench(stream(frame(50_000), *bad), stream())
    events = bench.read()
    assert [event.position for event in events] == [Position(0, event_id(50_000)), None, None, None]
    assert bench.resumed_at == [None, 45_000]
    assert caplog.text.count("makes no sense") == 1


def test_an_error_event_ends_the_connection_without_becoming_an_event() -> None:
    error = b'event: error\ndata: {"message":"kafka is away"}\n\n'
    bench = Bench(stream(frame(10_000), error, frame(99_000)), stream())
    assert len(bench.read()) == 1
    assert bench.resumed_at == [None, 5_000]
