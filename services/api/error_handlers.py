"""Exceptions → problem responses: one table."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from services.api.problem import ProblemResponse, internal_error, problem
from services.api.work import ClientGone
from shared.errors import (
    BrokerUnavailable,
    InvalidEvent,
    InvalidReason,
    LLMUnavailable,
    RetryableError,
    SourceUnavailable,
    StoreUnavailable,
)
from shared.observability.trace_context import current_trace_id

log = logging.getLogger(__name__)

_RETRY_AFTER_SECONDS = 5
_CLIENT_CLOSED_REQUEST = 499  # nginx's word for it: for the log and the metrics, nobody receives it
_NOT_JSON = "not valid JSON: it is not UTF-8, too deeply nested, or holds too long a number"

_UNAVAILABLE: dict[type[RetryableError], str] = {
    BrokerUnavailable: "The message broker does not answer; nothing is confirmed, send the request again.",
    StoreUnavailable: "The vector store does not answer.",
    LLMUnavailable: "The language model does not answer.",
    SourceUnavailable: "A source does not answer.",
    RetryableError: "A dependency is away or busy.",
}
"""Details for clients; the exception's own text may name addresses, so it stays in the log."""


class InvalidRequest(Exception):
    """The body has the right form for HTTP but not for the route; ``errors`` as ``describe_errors``
    returns them."""

    def __init__(self, errors: Sequence[dict[str, Any]]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = errors


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(InvalidRequest, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RetryableError, _unavailable)
    app.add_exception_handler(InvalidEvent, _invalid_event)
    app.add_exception_handler(ClientGone, _client_gone)


def describe_errors(errors: Sequence[Any], line: int | None = None) -> list[dict[str, Any]]:
    """Pydantic's errors as ``{"field", "message"}``, with the ``line`` of an NDJSON body; without the
    input, which may be large or secret."""
    return [
        {
            **({} if line is None else {"line": line}),
            "field": "" if error["type"] == "json_invalid" else ".".join(map(str, error["loc"])),
            "message": _message(error),
        }
        for error in errors
    ]


def _message(error: Any) -> str:
    if error["type"] == "json_invalid":
        return f"not valid JSON: {error.get('ctx', {}).get('error', error['msg'])}"
    return str(error["msg"]).removeprefix("Value error, ")


async def _validation(_request: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        # FastAPI puts first where in the request the field stands: body, path or query.
        inside = [{**item, "loc": item["loc"][1:]} for item in error.errors()]
        errors: Sequence[dict[str, Any]] = describe_errors(inside)
    else:
        assert isinstance(error, InvalidRequest)
        errors = error.errors
    first = errors[0]
    place = ", ".join(
        part for part in (f"line {first['line']}" if "line" in first else "", first["field"]) if part
    )
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return problem(422, f"{place}: {first['message']}{more}" if place else first["message"], errors=errors)


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, (ValueError, RecursionError)):
        # FastAPI's 400 for what Python's parser refuses otherwise than with a syntax error.
        return problem(422, _NOT_JSON, errors=[{"field": "", "message": _NOT_JSON}])
    return problem(error.status_code, str(error.detail), headers=error.headers)


def explain_failure(error: Exception) -> ProblemResponse:
    """What to tell a client whose response has already begun; the log has it all."""
    if isinstance(error, RetryableError):
        return _dependency_away(error)
    log.error("request failed", exc_info=error)
    return internal_error(current_trace_id())


async def _unavailable(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RetryableError)
    return _dependency_away(error)


def _dependency_away(error: RetryableError) -> ProblemResponse:
    log.warning("a dependency is away", extra={"error": type(error).__name__, "reason": str(error)})
    detail = next(_UNAVAILABLE[kind] for kind in type(error).__mro__ if kind in _UNAVAILABLE)
    wait = error.retry_after if isinstance(error, SourceUnavailable) else None
    return problem(
        503,
        detail,
        headers={"Retry-After": str(math.ceil(wait or _RETRY_AFTER_SECONDS))},
        trace_id=current_trace_id(),
    )


async def _invalid_event(_request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidEvent)
    return problem(413 if error.reason is InvalidReason.TOO_LARGE else 422, error.detail)


async def _client_gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=_CLIENT_CLOSED_REQUEST)
