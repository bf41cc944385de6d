"""Around every request: its id, its span, its metrics, its log line, and the answer to what went wrong."""

from __future__ import annotations

import logging
import re
import time
import uuid

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.problem import internal_error
from shared.observability import semconv
from shared.observability.exemplars import exemplar
from shared.observability.metrics import METHODS, NO_ROUTE, OTHER_METHOD, ApiMetrics
from shared.observability.trace_context import current_trace_id, extract_context

log = logging.getLogger("services.api.access")

_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_PROBES = ("/health/live", "/health/ready", "/metrics")
_DEFAULT_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class RequestContextMiddleware:
    """Pure ASGI, so that it also sees what other middlewares answer and counts streamed responses
    to their end."""

    def __init__(self, app: ASGIApp, tracer: Tracer, metrics: ApiMetrics) -> None:
        self._app = app
        self._tracer = tracer
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        headers = Headers(scope=scope)
        request_id = _request_id(headers.get("x-request-id"))
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                response_headers = MutableHeaders(scope=message)
                response_headers["X-Request-ID"] = request_id
                response_headers["traceparent"] = _traceparent(span)
                for name, value in _DEFAULT_HEADERS.items():
                    response_headers.setdefault(name, value)
            await send(message)

        context = extract_context([(name.decode("latin-1"), value) for name, value in scope["headers"]])
        method = scope["method"] if scope["method"] in METHODS else OTHER_METHOD
        active = self._metrics.http_active.labels(method)
        with (
            active.track_inprogress(),
            self._tracer.start_as_current_span(
                method,
                context,
                SpanKind.SERVER,
                {semconv.HTTP_METHOD: method, semconv.URL_PATH: scope["path"]},
            ) as span,
        ):
            try:
                await self._answer(scope, receive, send_with_headers)
            finally:
                self._record(span, scope, method, status, time.perf_counter() - start, request_id)

    def _record(
        self, span: Span, scope: Scope, method: str, status: int, seconds: float, request_id: str
    ) -> None:
        route = _route_template(scope)
        span.update_name(f"{method} {route}")
        span.set_attributes({semconv.HTTP_ROUTE: route, semconv.HTTP_STATUS: status})
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        self._metrics.http_duration.labels(method, route, str(status)).observe(seconds, exemplar())
        log.log(
            logging.DEBUG if scope["path"] in _PROBES else logging.INFO,
            "request",
            extra={
                "method": method,
                "path": scope["path"][:200],
                "route": route,
                "status": status,
                "duration_ms": round(seconds * 1000, 3),
                "request_id": request_id,
                "client": scope["client"][0] if scope.get("client") else None,
            },
        )

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, note_start)
        except Exception:
            # The outermost frame of a request: whatever it was, the log has it and the client an answer.
            log.exception("request failed", extra={"method": scope["method"], "path": scope["path"][:200]})
            if started:
                raise
            await internal_error(current_trace_id())(scope, receive, send)


def _request_id(incoming: str | None) -> str:
    return incoming if incoming and _SANE_REQUEST_ID.fullmatch(incoming) else uuid.uuid4().hex


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def _route_template(scope: Scope) -> str:
    """The route as declared, so that ids in paths never become label values."""
    return str(getattr(scope.get("route"), "path_format", NO_ROUTE))
