"""Trace context: in process, and through Kafka headers (W3C ``traceparent``)."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.ports import Headers

_propagator = TraceContextTextMapPropagator()


def configure_tracing(service: str) -> None:
    """Give the process trace ids. Call once, from the composition root."""
    trace.set_tracer_provider(TracerProvider(resource=Resource.create({SERVICE_NAME: service})))


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
        if name in ("traceparent", "tracestate") and value is not None
    }
    return _propagator.extract(carrier)


def current_trace_id() -> str:
    """32 hexadecimal digits; zeros outside a span."""
    return f"{trace.get_current_span().get_span_context().trace_id:032x}"
