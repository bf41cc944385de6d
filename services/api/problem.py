"""Errors over HTTP: RFC 9457 ``application/problem+json``; in OpenAI's shape on the routes that speak it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.api.chat.errors import openai_error, openai_status, speaks_openai

MEDIA_TYPE = "application/problem+json"

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": {"type": "string"},
                    "message": {"type": "string"},
                    "line": {"type": "integer"},
                },
            },
        },
        "trace_id": {"type": "string"},
    },
}


def described_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the API's description: what these statuses look like."""
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": _SCHEMA}}}
        for status in statuses
    }


class ProblemResponse(Response):
    """Whoever answers a request with an error makes one of these; the path decides its form."""

    media_type = MEDIA_TYPE

    def __init__(self, problem: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        self.problem = problem
        super().__init__(encode(problem), problem["status"], headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if speaks_openai(scope["path"]):
            self.status_code = openai_status(self.status_code)
            self.body = encode(openai_error(self.problem))
            self.headers["content-type"] = "application/json"
            self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


def encode(body: Mapping[str, Any]) -> bytes:
    """ASCII, because a detail may quote a lone surrogate that UTF-8 cannot encode."""
    return json.dumps(body).encode("ascii")


def problem(
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **extensions: Any,
) -> ProblemResponse:
    """``title`` is the status's own phrase, as RFC 9457 wants it for the type ``about:blank``."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **extensions,
    }
    return ProblemResponse(body, headers)


def internal_error(trace_id: str) -> ProblemResponse:
    """Nothing about the cause, which is in the log under this trace id."""
    return problem(
        500, "An error inside the server; the log tells more under this trace id.", trace_id=trace_id
    )
