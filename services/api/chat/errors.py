"""Errors in OpenAI's shape, on the routes that speak it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TYPES = {401: "authentication_error", 429: "rate_limit_error"}
_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded", 503: "service_unavailable"}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
                "trace_id": {"type": "string"},
            },
        }
    },
}
DESCRIBED_ERRORS: dict[int | str, dict[str, Any]] = {
    statuses: {"description": description, "content": {"application/json": {"schema": _SCHEMA}}}
    for statuses, description in (
        ("4XX", "What is wrong with the request"),
        ("5XX", "What is away or failed"),
    )
}
"""For the API's description."""


def speaks_openai(path: str) -> bool:
    return path.startswith("/v1/chat/") or path == "/v1/models" or path.startswith("/v1/models/")


def openai_status(status: int) -> int:
    """OpenAI has no 422."""
    return 400 if status == 422 else status


def openai_error(problem: Mapping[str, Any]) -> dict[str, Any]:
    """The body for a problem's body. ``param`` is the first field that is wrong; ``code`` may be the
    problem's own."""
    status = problem["status"]
    first, *_ = problem.get("errors", [{}])
    error = {
        "message": problem["detail"],
        "type": _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error"),
        "param": first.get("field") or None,
        "code": problem.get("code") or _CODES.get(status),
    }
    if "trace_id" in problem:
        error["trace_id"] = problem["trace_id"]
    return {"error": error}
