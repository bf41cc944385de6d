"""The current trace, and how it travels through Kafka headers (W3C ``traceparent``)."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.ports import Headers

TRACE_HEADERS = frozenset({"traceparent", "tracestate"})
_propagator = TraceContextTextMapPropagator()


def trace_headers() -> Headers:
    """The current context as record headers."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return tuple((name, value.encode()) for name, value in carrier.items())


def extract_context(headers: Sequence[tuple[str, bytes]]) -> Context:
    """The context that a record's headers carry; an empty one where they carry none."""
    carrier = {
        name: value.decode(errors="replace")
        for name, value in headers
        if name in TRACE_HEADERS and value is not None
    }
    return _propagator.extract(carrier, Context()) if carrier else Context()


def span_context_of(context: Context) -> SpanContext | None:
    """Of the span that ``context`` holds; ``None`` where it holds none."""
    found = trace.get_current_span(context).get_span_context()
    return found if found.is_valid else None


def trace_id_of(context: Context) -> str | None:
    """32 hexadecimal digits; ``None`` where ``context`` holds no trace."""
    found = span_context_of(context)
    return f"{found.trace_id:032x}" if found else None


def current_trace_id() -> str:
    """32 hexadecimal digits; zeros outside a span."""
    return f"{trace.get_current_span().get_span_context().trace_id:032x}"
