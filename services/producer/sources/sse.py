"""One SSE connection, with the bytes of each event kept as they came."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
from httpx_sse import EventSource

from services.producer.resume import Position
from services.producer.supervised_thread import mark_turn

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """``data`` is untouched; ``event_id`` is the newest id that the stream gave, or empty."""

    kind: str
    event_id: str
    data: bytes


class ConnectionRefused(Exception):
    """The server answered, but not with a stream."""

    def __init__(self, status: int, retry_after: str | None) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.retry_after = retry_after


class BoundedLines(httpx.SyncByteStream):
    """A byte stream without a leading byte order mark, and with the end of overlong lines cut off, so
    that an endless line cannot fill the memory."""

    def __init__(self, stream: httpx.SyncByteStream, max_line_bytes: int) -> None:
        self._stream = stream
        self._limit = max_line_bytes
        self._line_length = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in _without_byte_order_mark(self._stream):
            # A source that has nothing to tell sends comments.
            mark_turn()
            line_end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
            if self._line_length + len(chunk) <= self._limit:
                self._line_length = len(chunk) - line_end - 1 + (self._line_length if line_end < 0 else 0)
                yield chunk
            else:
                bounded = b"".join(self._cut(piece) for piece in chunk.splitlines(keepends=True))
                if bounded:
                    yield bounded

    def _cut(self, piece: bytes) -> bytes:
        text = piece.rstrip(b"\r\n")
        kept = text[: max(0, self._limit - self._line_length)]
        ended = len(text) < len(piece)
        self._line_length = 0 if ended else self._line_length + len(text)
        return kept + piece[len(text) :]

    def close(self) -> None:
        self._stream.close()


def _without_byte_order_mark(chunks: httpx.SyncByteStream) -> Iterator[bytes]:
    head: bytes | None = b""
    for chunk in chunks:
        if head is None:
            yield chunk
            continue
        head += chunk
        if len(head) >= len(_BYTE_ORDER_MARK) or not _BYTE_ORDER_MARK.startswith(head):
            rest, head = head.removeprefix(_BYTE_ORDER_MARK), None
            if rest:
                yield rest
    if head:
        yield head


class SseConnection:
    def __init__(self, response: httpx.Response, max_line_bytes: int) -> None:
        if isinstance(response.stream, httpx.SyncByteStream):
            response.stream = BoundedLines(response.stream, max_line_bytes)
        # Latin-1 maps every byte to one character and back, so invalid UTF-8 reaches the dead letter
        # queue untouched, and no character inside an event is taken for the end of a line.
        response.encoding = "latin-1"
        self._response = response

    def events(self) -> Iterator[ServerEvent]:
        """Complete events only: what the connection's end cuts off is not an event.

        :raises httpx.TransportError: the connection broke, was silent for too long, or carries
            something else than events.
        """
        for event in EventSource(self._response).iter_sse():
            if event.data:
                yield ServerEvent(event.event, event.id, event.data.encode("latin-1"))

    def interrupt(self) -> None:
        """End ``events`` from another thread, also while it waits for the network."""
        stream = self._response.extensions.get("network_stream")
        connection = stream.get_extra_info("socket") if stream is not None else None
        if isinstance(connection, socket.socket):
            with contextlib.suppress(OSError):
                # Not SSLSocket.shutdown, which pulls the TLS state from under the reading thread.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


@contextlib.contextmanager
def connect(
    client: httpx.Client, url: str, position: Position, max_line_bytes: int
) -> Iterator[SseConnection]:
    """:raises ConnectionRefused: any status but 200.
    :raises httpx.TransportError: no answer.
    """
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    parameters = {}
    if position.last_event_id is None:
        parameters["since"] = str(position.since_ms)
    else:
        headers["Last-Event-ID"] = position.last_event_id
    with client.stream("GET", url, headers=headers, params=parameters) as response:
        if response.status_code != httpx.codes.OK:
            raise ConnectionRefused(response.status_code, response.headers.get("retry-after"))
        yield SseConnection(response, max_line_bytes)
