"""Server-sent events, read back."""

from __future__ import annotations

from typing import Any

import httpx
from httpx_sse import EventSource


def read_events(body: str) -> list[tuple[str, Any]]:
    """(name, JSON data) of each event of a response that has ended; comments are skipped."""
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=body.encode())
    return [(event.event, event.json()) for event in EventSource(response).iter_sse()]
