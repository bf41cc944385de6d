"""No key, no ``/v1``: decided before a single byte of the body is read."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.auth import KeyRing, presented_keys
from services.api.problem import problem

_DETAIL = "A valid API key is needed: send 'Authorization: Bearer KEY' or 'X-API-Key: KEY'."


class AuthenticationMiddleware:
    """Guards ``/v1`` and everything under it, routes that do not exist included. A missing key and a
    wrong one get the same answer."""

    def __init__(self, app: ASGIApp, keys: KeyRing) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] == "http"
            and (scope["path"] == "/v1" or scope["path"].startswith("/v1/"))
            and not self._keys.accepts(presented_keys(scope["headers"]))
        ):
            await problem(401, _DETAIL, headers={"WWW-Authenticate": "Bearer"})(scope, receive, send)
            return
        await self._app(scope, receive, send)
