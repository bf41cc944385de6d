"""Errors over HTTP: RFC 9457 ``application/problem+json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

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


def problem(
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **extensions: Any,
) -> Response:
    """``title`` is the status's own phrase, as RFC 9457 wants it for the type ``about:blank``."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **extensions,
    }
    # ASCII, because a detail may quote a lone surrogate that UTF-8 cannot encode.
    return Response(json.dumps(body).encode("ascii"), status, headers=headers, media_type=MEDIA_TYPE)


def internal_error(trace_id: str) -> Response:
    """Nothing about the cause, which is in the log under this trace id."""
    return problem(
        500, "An error inside the server; the log tells more under this trace id.", trace_id=trace_id
    )
