"""``GET /v2/stream/{a,b}``: Server-Sent Events as EventStreams sends them."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from services.replay.connections import Connection, Connections, Ending, TooManyConnections
from services.replay.event_log import ALIASES, STREAMS, EventLog, Record, topics_of
from services.replay.wire import (
    LATEST,
    OK_COMMENT,
    BadRequest,
    Position,
    json_line,
    parse_last_event_id,
    parse_since,
    sse_frame,
)

_GENERIC_AGENT = re.compile(
    r"(python|aiohttp|go-http-client|java|okhttp|apache-httpclient|node|axios|undici|ruby|libwww-perl|$)",
    re.IGNORECASE,
)
"""Library defaults: Wikimedia's policy wants to know who is calling."""
_SEND_BYTES = 65_536


class Refused(Exception):
    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Subscription:
    """Where one client stands in each topic, and the id that its next event carries."""

    def __init__(self, log: EventLog, positions: list[Position]) -> None:
        self._log = log
        self._positions = {position.topic: position for position in positions}
        self._offsets = {p.topic: self._resolve(p) for p in positions}

    def _resolve(self, position: Position) -> int:
        if position.timestamp is not None:
            return self._log.offset_for_time(position.topic, position.timestamp)
        if position.offset is None or position.offset == LATEST:
            return self._log.end_offset(position.topic)
        return position.offset

    def next_record(self) -> Record | None:
        record = self._log.next_record(self._offsets)
        if record is not None:
            self._offsets[record.topic] = record.offset + 1
        return record

    def newest_record(self) -> Record | None:
        return self._log.newest_record(set(self._offsets))

    def frame(self, record: Record) -> bytes:
        """As the real server, the id names the millisecond after the event: others of the same
        millisecond are lost to a client that resumes from it."""
        self._positions[record.topic] = Position(record.topic, 0, timestamp=record.timestamp + 1)
        return sse_frame(self._positions.values(), record.data)


class StreamEndpoint:
    """An ASGI application, because only there a response can be broken off in the middle."""

    def __init__(self, log: EventLog, connections: Connections, cut_after: float) -> None:
        self._log = log
        self._connections = connections
        self._cut_after = cut_after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        client = request.client.host if request.client else ""
        try:
            subscription = self._subscribe(request)
            with self._connections.opened(client) as connection:
                await self._serve(request, subscription, connection, send)
        except TooManyConnections:
            detail = "Too many concurrent connections from your client IP"
            await _error(request, HTTPStatus.TOO_MANY_REQUESTS, detail)(scope, receive, send)
        except Refused as refusal:
            await _error(request, refusal.status, str(refusal))(scope, receive, send)

    def _subscribe(self, request: Request) -> Subscription:
        if _GENERIC_AGENT.match(request.headers.get("user-agent", "")):
            raise Refused(
                HTTPStatus.FORBIDDEN, "Set a User-Agent that names your program and how to reach you"
            )
        streams = _requested_streams(request.path_params["streams"])
        topics = {topic for stream in streams for topic in topics_of(stream)}
        last_event_id = request.headers.get("last-event-id")
        since = request.query_params.get("since")
        try:
            if last_event_id:
                return Subscription(self._log, _resumed(parse_last_event_id(last_event_id), topics))
            timestamp = parse_since(since) if since else None
        except BadRequest as error:
            raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from None
        return Subscription(
            self._log,
            [self._start(topic, timestamp) for stream in streams for topic in topics_of(stream)],
        )

    def _start(self, topic: str, timestamp: int | None) -> Position:
        """Resolved to an offset at once; ``LATEST`` where nothing is to be read yet."""
        end = self._log.end_offset(topic)
        offset = end if timestamp is None else self._log.offset_for_time(topic, timestamp)
        return Position(topic, 0, offset=LATEST if offset == end else offset)

    async def _serve(
        self, request: Request, subscription: Subscription, connection: Connection, send: Send
    ) -> None:
        accept = request.headers.get("accept")
        as_json = accept is not None and accept.startswith("application/json")
        media_type = "application/json" if as_json else "text/event-stream"
        content_type = f"{media_type}; charset=utf-8" if accept is not None else media_type
        headers = [(b"content-type", content_type.encode()), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _send_part(send, b"\n" if as_json else OK_COMMENT)
        gone = asyncio.create_task(_until_disconnected(request, connection))
        try:
            await self._send_events(subscription, connection, send, as_json)
            if connection.ending is Ending.CUT_MID_EVENT and not as_json:
                newest = subscription.newest_record()
                frame = subscription.frame(newest) if newest else b"event: mess"
                await _send_part(send, frame[: len(frame) // 2])
            if connection.ending is Ending.SHUTDOWN:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()

    async def _send_events(
        self, subscription: Subscription, connection: Connection, send: Send, as_json: bool
    ) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._cut_after
        while connection.ending is None:
            part = bytearray()
            while len(part) < _SEND_BYTES and (record := subscription.next_record()) is not None:
                part += json_line(record.data) if as_json else subscription.frame(record)
            if part:
                await _send_part(send, bytes(part))
                await asyncio.sleep(0)  # lets a client's departure, or a cut, be noticed
            else:
                await connection.wait(deadline - clock())
            if clock() >= deadline:
                connection.end(Ending.CUT)


def _requested_streams(path: str) -> list[str]:
    names = [ALIASES.get(name, name) for name in path.split(",")]
    unknown = [name for name in names if name not in STREAMS]
    if unknown:
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            f"{', '.join(unknown)} is not available. Valid streams are: {', '.join(STREAMS)}",
        )
    return list(dict.fromkeys(names))


def _resumed(positions: list[Position], topics: set[str]) -> list[Position]:
    """A topic that the id leaves out goes on at its end."""
    for position in positions:
        if position.topic not in topics or position.partition != 0:
            raise Refused(
                HTTPStatus.NOT_FOUND,
                f"topic {position.topic} partition {position.partition} is not in the requested streams",
            )
    absent = topics - {position.topic for position in positions}
    return positions + [Position(topic, 0, offset=LATEST) for topic in sorted(absent)]


def _error(request: Request, status: HTTPStatus, detail: str) -> JSONResponse:
    kind = status.phrase.lower().replace(" ", "_")
    body = {"type": kind, "title": status.phrase, "detail": detail, "method": "get", "uri": request.url.path}
    return JSONResponse(body, status)


async def _send_part(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _until_disconnected(request: Request, connection: Connection) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    connection.end(Ending.GONE)
