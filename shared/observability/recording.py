"""From the API's tracers to the SDK's queue of spans."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.util.types import Attributes, AttributeValue

from shared.observability.running_span import RunningSpan
from shared.observability.trace_ids import DROPPED, SAMPLED, IdTracer, below

_UNSET = Status(StatusCode.UNSET)


class RecordingProvider(trace.TracerProvider):
    """``processor`` takes each span when it has ended."""

    def __init__(self, sampler: Sampler, resource: Resource, processor: SpanProcessor) -> None:
        self._sampler = sampler
        self._resource = resource
        self._processor = processor

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> trace.Tracer:
        return _RecordingTracer(self, InstrumentationScope(instrumenting_module_name))

    def wants(self, context: Context | None, trace_id: int, name: str) -> bool:
        """What the sampler says of a span to come; ``context`` holds its parent."""
        return self._sampler.should_sample(context, trace_id, name).decision is Decision.RECORD_AND_SAMPLE

    def take(
        self,
        scope: InstrumentationScope,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        started: int,
        ended: int,
        attributes: Mapping[str, AttributeValue],
        links: Sequence[Link] = (),
        events: Sequence[Event] = (),
        status: Status = _UNSET,
    ) -> None:
        """A span that has ended; times in nanoseconds since 1970."""
        self._processor.on_end(
            ReadableSpan(
                name,
                context,
                parent,
                self._resource,
                attributes,
                events,
                links,
                kind,
                status=status,
                start_time=started,
                end_time=ended,
                instrumentation_scope=scope,
            )
        )


class _RecordingTracer(IdTracer):
    def __init__(self, provider: RecordingProvider, scope: InstrumentationScope) -> None:
        self._provider = provider
        self._scope = scope

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Any = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        parent = trace.get_current_span(context).get_span_context()
        made = below(parent, SAMPLED)
        if not self._provider.wants(context, made.trace_id, name):
            return trace.NonRecordingSpan(below(made, DROPPED))
        return RunningSpan(
            name,
            made,
            parent if parent.is_valid else None,
            kind,
            attributes,
            tuple(links or ()),
            time.time_ns() if start_time is None else start_time,
            self._hand_over,
        )

    def _hand_over(self, span: RunningSpan) -> None:
        assert span.ended is not None
        self._provider.take(
            self._scope,
            span.name,
            span.context,
            span.parent,
            span.kind,
            span.started,
            span.ended,
            span.attributes,
            span.links,
            span.events,
            span.status,
        )
