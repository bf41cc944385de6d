"""``/replay/…``: status and control for tests and benchmarks, from this machine only."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from services.replay.connections import Connections, Ending
from services.replay.event_log import ALIASES, PAGE_CHANGE, STREAMS
from services.replay.publisher import Publisher, Sent, Source
from services.replay.story_source import StorySource, UnknownStory

_MOST_CHANGES = 100_000
Handler = Callable[[Request], Awaitable[JSONResponse]]


class BadCommand(Exception):
    pass


def control_routes(publisher: Publisher, source: Source, connections: Connections) -> list[Route]:
    async def status(_request: Request) -> JSONResponse:
        return JSONResponse(
            {
                "mode": source.mode,
                "published": publisher.published,
                "total": source.total,
                "exhausted": publisher.exhausted,
                "paused": publisher.paused,
                "rate": publisher.rate,
                "connections": len(connections),
                "story_steps": source.story_steps,
            }
        )

    async def publish(request: Request) -> JSONResponse:
        body = await _json_object(request)
        if "story" in body:
            return JSONResponse(_sent_summary(publisher.send(_jump(source, body, publisher.now_ms()))))
        count = body.get("count", 1)
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= _MOST_CHANGES:
            raise BadCommand(f"count: an integer from 1 to {_MOST_CHANGES}, not {count!r}")
        return JSONResponse(_sent_summary(publisher.publish(count)))

    async def inject(request: Request) -> JSONResponse:
        name = request.query_params.get("stream", PAGE_CHANGE)
        stream = ALIASES.get(name, name)
        if stream not in STREAMS:
            raise BadCommand(f"stream: one of {', '.join(STREAMS)}, not {name!r}")
        record = publisher.inject(stream, await request.body())
        return JSONResponse(
            {
                "stream": stream,
                "sent_at_ms": record.timestamp,
                "offset": record.offset,
                "bytes": len(record.data),
            }
        )

    async def cut(request: Request) -> JSONResponse:
        body = await _json_object(request)
        ending = Ending.CUT_MID_EVENT if body.get("mid_event") is True else Ending.CUT
        return JSONResponse({"cut": connections.end_all(ending)})

    async def pace(request: Request) -> JSONResponse:
        body = await _json_object(request)
        paused, rate = body.get("paused", publisher.paused), body.get("rate", publisher.rate)
        if not isinstance(paused, bool):
            raise BadCommand(f"paused: true or false, not {paused!r}")
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate <= 10_000:
            raise BadCommand(f"rate: a number above 0, at most 10000, not {rate!r}")
        publisher.paused, publisher.rate = paused, float(rate)
        return JSONResponse({"paused": publisher.paused, "rate": publisher.rate})

    return [
        Route("/replay/status", _guarded(status), methods=["GET"]),
        Route("/replay/publish", _guarded(publish), methods=["POST"]),
        Route("/replay/inject", _guarded(inject), methods=["POST"]),
        Route("/replay/cut", _guarded(cut), methods=["POST"]),
        Route("/replay/pace", _guarded(pace), methods=["POST"]),
    ]


def _guarded(handler: Handler) -> Handler:
    """Only clients on this machine, and no web page that such a client happens to show."""

    @wraps(handler)
    async def guarded(request: Request) -> JSONResponse:
        if not _is_loopback(request) or "origin" in request.headers:
            return JSONResponse({"detail": "only programs on this machine may do this"}, 403)
        try:
            return await handler(request)
        except (BadCommand, UnknownStory) as error:
            return JSONResponse({"detail": str(error)}, 404 if isinstance(error, UnknownStory) else 422)

    return guarded


def _is_loopback(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


async def _json_object(request: Request) -> dict[str, Any]:
    raw = await request.body()
    try:
        body = json.loads(raw or b"{}")
    except ValueError as error:
        raise BadCommand(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise BadCommand("the body is not a JSON object")
    return body


def _jump(source: Source, body: dict[str, Any], now_ms: int) -> list[Any]:
    if not isinstance(source, StorySource):
        raise BadCommand("this server replays a file: there are no stories")
    story, step = body["story"], body.get("step")
    if not isinstance(story, str) or isinstance(step, bool) or not isinstance(step, (int, type(None))):
        raise BadCommand("story is a string, step an integer")
    return source.jump(story, step, now_ms)


def _sent_summary(sent: list[Sent]) -> dict[str, Any]:
    """``event_id`` and what follows describe the last page_change event, or else the last event."""
    events = [
        {
            "stream": item.emission.stream,
            "event_id": item.emission.event["meta"]["id"],
            "sent_at_ms": item.record.timestamp,
            "offset": item.record.offset,
        }
        for item in sent
    ]
    page_changes = [item for item in sent if item.emission.stream == PAGE_CHANGE]
    last = page_changes[-1] if page_changes else sent[-1] if sent else None
    if last is None:
        return {"event_id": None, "sent_at_ms": None, "events": events}
    event = last.emission.event
    return {
        "event_id": event["meta"].get("id"),
        "sent_at_ms": last.record.timestamp,
        "wiki_id": event.get("wiki_id"),
        "page_id": event.get("page", {}).get("page_id"),
        "rev_id": event.get("revision", {}).get("rev_id"),
        "kind": event.get("page_change_kind"),
        "events": events,
    }
