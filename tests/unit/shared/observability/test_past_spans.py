"""Spans of what is over, among the SDK's."""

from __future__ import annotations

import time

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider, sampling
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, TraceState

from shared.observability.past_spans import PastSpans
from shared.observability.recording import RecordingProvider
from shared.observability.trace_ids import IdProvider

_SENT = SpanContext(7, 8, True, TraceFlags(TraceFlags.SAMPLED), TraceState([("vendor", "1")]))
_UNSAMPLED = SpanContext(7, 8, True, TraceFlags(TraceFlags.DEFAULT))


class _Kept(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def recorded(
    monkeypatch: pytest.MonkeyPatch, sampler: sampling.Sampler, parent: SpanContext
) -> list[ReadableSpan]:
    kept = _Kept()
    provider = RecordingProvider(sampler, Resource({"service.name": "test"}), kept)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    link = Link(SpanContext(9, 9, False))
    PastSpans("part").record("upsert", parent, SpanKind.CLIENT, 5, {"chunks": 2}, [link])
    return kept.spans


def test_it_goes_on_in_its_parents_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    before = time.time_ns()
    (span,) = recorded(monkeypatch, sampling.ParentBased(sampling.ALWAYS_OFF), _SENT)
    context = span.get_span_context()
    assert context is not None
    assert span.end_time is not None
    assert (context.trace_id, context.trace_state, context.is_remote) == (7, _SENT.trace_state, False)
    assert context.span_id not in (0, 8)
    assert context.trace_flags.sampled
    assert (span.name, span.kind, span.parent, span.start_time) == ("upsert", SpanKind.CLIENT, _SENT, 5)
    assert before <= span.end_time <= time.time_ns()
    assert dict(span.attributes or {}) == {"chunks": 2}
    assert [link.context.trace_id for link in span.links] == [9]
    assert span.resource.attributes["service.name"] == "test"
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "part"


@pytest.mark.parametrize(
    ("sampler", "parent"),
    [(sampling.ALWAYS_OFF, _SENT), (sampling.ParentBased(sampling.ALWAYS_ON), _UNSAMPLED)],
    ids=["sampler", "parent"],
)
def test_the_sampler_decides(
    monkeypatch: pytest.MonkeyPatch, sampler: sampling.Sampler, parent: SpanContext
) -> None:
    assert recorded(monkeypatch, sampler, parent) == []


@pytest.mark.parametrize(
    "provider", [IdProvider(), TracerProvider(shutdown_on_exit=False)], ids=["ids", "sdk"]
)
def test_nothing_is_recorded_where_nothing_is_exported(
    monkeypatch: pytest.MonkeyPatch, provider: trace.TracerProvider
) -> None:
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    PastSpans("part").record("upsert", _SENT, SpanKind.CLIENT, 5, {})
