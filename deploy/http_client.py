"""A small HTTP client of the standard library, for scripts that run before anything is installed."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.errors import RagError


class Unreachable(RagError):
    """No answer, or a broken one; the message says from where."""


@dataclass(frozen=True)
class Response:
    status: int
    text: str
    asked: str
    """Method and path."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""

    def json(self) -> Any:
        """:raises ValueError: the text is no JSON."""
        return json.loads(self.text)


class HttpClient:
    """Never through a proxy: it is for our own loopback. ``timeout`` in seconds."""

    def __init__(self, base_url: str, headers: Mapping[str, str] | None = None, timeout: float = 60) -> None:
        self.base_url = base_url.rstrip("/")
        self._headers = dict(headers or {})
        self._timeout = timeout
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str) -> Response:
        """:raises Unreachable: nobody answers."""
        return self.request("GET", path)

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Response:
        """``body`` as JSON, or as it is where it is ``bytes``.

        :raises Unreachable: nobody answers."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, data, {"Content-Type": "application/json", **(headers or {})})

    def request(
        self, method: str, path: str, data: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """:raises Unreachable: nobody answers."""
        request = urllib.request.Request(  # noqa: S310 - the scheme is ours
            self.base_url + path, data=data, headers={**self._headers, **(headers or {})}, method=method
        )
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return _response(answer.status, answer.read(), f"{method} {path}", dict(answer.headers))
        except urllib.error.HTTPError as error:
            with error:
                return _response(error.code, error.read(), f"{method} {path}", dict(error.headers))
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{method} {self.base_url}{path}: {error}") from None


def _response(status: int, body: bytes, asked: str, headers: Mapping[str, str]) -> Response:
    lower = {name.lower(): value for name, value in headers.items()}
    return Response(status, body.decode("utf-8", errors="replace"), asked, lower)
