from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator

import httpx
import pytest

from services.producer.resume import Position
from services.producer.sources.sse import ConnectionRefused, ServerEvent, connect

ID = '[{"topic":"eqiad.x","partition":0,"timestamp":1}]'
LIMIT = 100_000


class Chunks(httpx.SyncByteStream):
    def __init__(self, chunks: Iterable[bytes], broken: bool = False) -> None:
        self._chunks = chunks
        self._broken = broken

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        if self._broken:
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


def read(
    chunks: Iterable[bytes],
    limit: int = LIMIT,
    broken: bool = False,
    kind: str = "text/event-stream; charset=utf-8",
) -> list[ServerEvent]:
    def respond(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Type": kind}, stream=Chunks(chunks, broken))

    events: list[ServerEvent] = []
    with (
        httpx.Client(transport=httpx.MockTransport(respond)) as client,
        connect(client, "http://stream/v2/stream/x", Position(0), limit) as connection,
    ):
        try:
            events.extend(connection.events())
        except httpx.RemoteProtocolError:
            assert broken
    return events


def frame(data: bytes, event_id: str = ID) -> bytes:
    return b"event: message\nid: %b\ndata: %b\n\n" % (event_id.encode(), data)


REAL = [
    json.dumps({"title": "naïve 漢字 \u2028 \u0085 \u2029 end"}, ensure_ascii=False).encode(),
    b'{"bad utf-8": "\xff\xfe\xc3"}',
    b'{"colon": ": x", "empty": ""}',
    json.dumps({"emoji": "🌍" * 50}, ensure_ascii=False).encode(),
]
STREAM = b":ok\n\n" + b"".join(frame(data) for data in REAL)


def test_every_byte_of_an_event_arrives_untouched() -> None:
    assert read([STREAM]) == [ServerEvent("message", ID, data) for data in REAL]


def test_one_byte_at_a_time_is_the_same() -> None:
    assert read([STREAM[n : n + 1] for n in range(len(STREAM))]) == read([STREAM])


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"])
def test_other_line_ends_are_the_same(line_end: bytes) -> None:
    stream = STREAM.replace(b"\n", line_end)
    assert read([stream]) == read([STREAM])
    assert read([stream[n : n + 1] for n in range(len(stream))]) == read([STREAM])


@pytest.mark.parametrize("seed", range(100))
def test_random_splits_are_the_same(seed: int) -> None:
    rng = random.Random(seed)
    stream = STREAM.replace(b"\n", rng.choice([b"\n", b"\r\n"]))
    stream = rng.choice([b"", b"\xef\xbb\xbf"]) + stream
    cuts = sorted(rng.sample(range(1, len(stream)), rng.randint(1, 40)))
    chunks = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(chunks) == read([STREAM]), f"seed {seed}"


def test_a_leading_byte_order_mark_does_not_swallow_the_first_field() -> None:
    stream = b"\xef\xbb\xbf" + frame(b"{}")
    assert (
        read([stream]) == read([stream[:1], stream[1:2], stream[2:]]) == [ServerEvent("message", ID, b"{}")]
    )


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_truncated_event_at_the_end_is_no_event(line_end: bytes, broken: bool) -> None:
    last = frame(b'{"complete": false}').replace(b"\n", line_end)
    whole = frame(b'{"complete": true}').replace(b"\n", line_end)
    for cut in range(len(last) - len(line_end) + 1):
        events = read([whole, last[:cut]], broken=broken)
        assert [event.data for event in events] == [b'{"complete": true}'], f"cut after {cut} bytes"


def test_blank_lines_and_comments_are_no_events() -> None:
    assert read([b"\n\n:ok\n\n", frame(b"1"), b"\n\n\n:still here\n\n", frame(b"2")]) == [
        ServerEvent("message", ID, b"1"),
        ServerEvent("message", ID, b"2"),
    ]


def test_a_line_without_end_is_cut_off_and_the_stream_goes_on() -> None:
    huge = b"x" * 5_000
    for size in (1, 7, 64, 4096, 100_000):
        stream = frame(huge) + frame(b"{}")
        chunks = [stream[n : n + size] for n in range(0, len(stream), size)]
        first, second = read(chunks, limit=1_000)
        assert first.data == huge[: 1_000 - len("data: ")], f"chunks of {size}"
        assert second.data == b"{}"


def test_something_else_than_an_event_stream_is_refused() -> None:
    with pytest.raises(httpx.TransportError, match="event-stream"):
        read([b"<html>log in first</html>"], kind="text/html")


def asked_with(position: Position) -> httpx.Request:
    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, stream=Chunks([]))

    with (
        httpx.Client(transport=httpx.MockTransport(respond)) as client,
        connect(client, "http://stream/v2/stream/x", position, LIMIT),
    ):
        return requests[0]


def test_the_request_resumes_after_an_event_or_from_a_time() -> None:
    after = asked_with(Position(5, ID))
    assert after.headers["last-event-id"] == ID
    assert "since" not in after.url.params
    since = asked_with(Position(1_795_339_800_000))
    assert "last-event-id" not in since.headers
    assert since.url.params["since"] == "1795339800000"
    assert since.headers["accept"] == "text/event-stream"


def test_a_refusal_carries_status_and_retry_after() -> None:
    def respond(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(429, headers={"Retry-After": "7"})

    with (
        httpx.Client(transport=httpx.MockTransport(respond)) as client,
        pytest.raises(ConnectionRefused) as refusal,
        connect(client, "http://stream/", Position(0), LIMIT),
    ):
        pass
    assert (refusal.value.status, refusal.value.retry_after) == (429, "7")
