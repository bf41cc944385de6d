"""Trace ids without spans: what there is where nothing is exported.

Every request and every event still has its id, in responses, in headers and in log lines; a span that nobody
reads costs a third of a recorded one. (The SDK's own disabled tracer has no ids.)
"""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, NoOpTracer, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.util.types import Attributes

SAMPLED, DROPPED = TraceFlags(TraceFlags.SAMPLED), TraceFlags(TraceFlags.DEFAULT)
_ids = RandomIdGenerator()


def below(parent: SpanContext, flags: TraceFlags) -> SpanContext:
    """A new span's, in its parent's trace; the first of a new one where ``parent`` is none."""
    return SpanContext(
        parent.trace_id if parent.is_valid else _ids.generate_trace_id(),
        _ids.generate_span_id(),
        is_remote=False,
        trace_flags=flags,
        trace_state=parent.trace_state,
    )


class IdTracer(NoOpTracer):
    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: object = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        """In the trace of its parent, with what that says about sampling; or the first of a trace that is
        not sampled."""
        parent = trace.get_current_span(context).get_span_context()
        return NonRecordingSpan(below(parent, parent.trace_flags))


class IdProvider(trace.TracerProvider):
    def __init__(self) -> None:
        self._tracer = IdTracer()

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> trace.Tracer:
        return self._tracer
