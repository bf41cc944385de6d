"""What is said of a span that runs is recorded as the SDK records it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider, sampling
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from shared.observability.recording import RecordingProvider

_RESOURCE = Resource({"service.name": "test"})
_REMOTE = SpanContext(7, 8, True, TraceFlags(TraceFlags.SAMPLED))
_IN_REMOTE = trace.set_span_in_context(trace.NonRecordingSpan(_REMOTE), Context())

Step = Callable[[Span], object]
_names = st.sampled_from(["a", "b", "c"])
_values = st.sampled_from(["text", True, 2, 0.5, ("x", "y")])
_attributes = st.dictionaries(_names, _values, max_size=2)
_times = st.integers(1, 2**60)
_statuses = st.sampled_from(
    [Status(StatusCode.UNSET), Status(StatusCode.OK), Status(StatusCode.ERROR, "first"), StatusCode.ERROR]
)
_steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(lambda name: lambda span: span.update_name(name), _names),
    st.builds(lambda key, value: lambda span: span.set_attribute(key, value), _names, _values),
    st.builds(lambda each: lambda span: span.set_attributes(each), _attributes),
    st.builds(
        lambda name, each, at: lambda span: span.add_event(name, each, at), _names, _attributes, _times
    ),
    st.builds(lambda status: lambda span: span.set_status(status), _statuses),
    st.builds(lambda at: lambda span: span.record_exception(ValueError("odd"), {"a": 1}, at), _times),
    st.builds(lambda at: lambda span: span.end(at), _times),
)


class _Kept(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def ours(kept: _Kept, sampler: sampling.Sampler = sampling.ALWAYS_ON) -> trace.Tracer:
    return RecordingProvider(sampler, _RESOURCE, kept).get_tracer("test")


def sdk(kept: _Kept) -> trace.Tracer:
    provider = TracerProvider(resource=_RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(kept)
    return provider.get_tracer("test")


def told(span: ReadableSpan) -> tuple[object, ...]:
    """All but the ids, which are random."""
    events = [(event.name, dict(event.attributes or {}), event.timestamp) for event in span.events]
    links = [(link.context, dict(link.attributes or {})) for link in span.links]
    status = span.status.status_code, span.status.description
    times = span.start_time, span.end_time
    attributes = dict(span.attributes or {})
    return span.name, span.kind, span.parent, attributes, events, links, status, times, span.resource


@given(st.lists(_steps, max_size=8), _attributes, st.sampled_from([Context(), _IN_REMOTE]))
def test_it_is_as_the_sdk_records_it(
    steps: list[Step], attributes: dict[str, str | bool | int | float | tuple[str, ...]], context: Context
) -> None:
    recorded = []
    for make in (ours, sdk):
        kept = _Kept()
        links = [Link(SpanContext(9, 9, False), {"a": 1})]
        span = make(kept).start_span("work", context, SpanKind.CLIENT, attributes, links, start_time=5)
        for step in [*steps, lambda span: span.end(2**61)]:
            step(span)
        assert not span.is_recording()
        recorded.append([told(each) for each in kept.spans])
    assert recorded[0] == recorded[1]


@pytest.mark.parametrize("make", [ours, sdk], ids=["ours", "sdk"])
def test_a_failure_inside_is_on_it_and_goes_on(make: Callable[[_Kept], trace.Tracer]) -> None:
    kept = _Kept()

    def fail() -> None:
        with make(kept).start_as_current_span("work"):
            raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        fail()
    (span,) = kept.spans
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError: odd")
    (event,) = span.events
    attributes = dict(event.attributes or {})
    assert (attributes["exception.type"], attributes["exception.message"]) == ("ValueError", "odd")
    assert "raise ValueError" in str(attributes["exception.stacktrace"])


def test_a_child_is_in_its_parents_trace() -> None:
    kept = _Kept()
    with ours(kept).start_as_current_span("outer") as outer, ours(kept).start_as_current_span("inner"):
        pass
    inner, root = kept.spans
    assert (inner.parent, root.parent) == (outer.get_span_context(), None)
    assert len({span.get_span_context().trace_id for span in kept.spans}) == 1  # type: ignore[union-attr]
    assert len({span.get_span_context().span_id for span in kept.spans}) == 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("sampler", "context"),
    [
        (sampling.ALWAYS_OFF, _IN_REMOTE),
        (sampling.ParentBased(sampling.ALWAYS_OFF), Context()),
        (sampling.TraceIdRatioBased(0.0), Context()),
    ],
    ids=["always-off", "root-off", "no-share"],
)
def test_what_the_sampler_does_not_want_has_ids_and_no_record(
    sampler: sampling.Sampler, context: Context
) -> None:
    kept = _Kept()
    with ours(kept, sampler).start_as_current_span("work", context) as span:
        assert span.get_span_context().is_valid
        assert not span.get_span_context().trace_flags.sampled
        assert not span.is_recording()
    assert kept.spans == []
