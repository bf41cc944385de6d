"""The most bytes that a request may bring, counted as they arrive."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.problem import problem


class BodyLimitMiddleware:
    """An announced length is refused at once; a chunked body, which announces none, when it crosses the
    limit. Memory stays bounded by the limit either way."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._detail = f"The request body is larger than {max_bytes} bytes (API_MAX_BODY_BYTES)."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > self._max_bytes:
            await problem(413, self._detail)(scope, receive, send)
            return
        received = 0

        async def counted_receive() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > self._max_bytes:
                    # Inside the application, where it becomes a problem response like any other.
                    raise HTTPException(413, self._detail)
            return message

        await self._app(scope, counted_receive, send)
