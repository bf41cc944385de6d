"""Our encoding of spans says what the library's own says, whatever is on them."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as library_encoding
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from shared.observability.otlp_encoding import encode_spans

_RESOURCE = Resource({"service.name": "api", "service.version": "1", "replicas": 3}, "https://example.org/1")

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
_values = st.one_of(
    _texts,
    st.sampled_from([True, False, 0, 1, 0.0, 1.0, -1, ""]),  # equal to each other, and yet not the same
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=40),
)
_sequences = st.one_of(
    *(st.lists(each, max_size=4) for each in (_texts, st.booleans(), st.integers(-9, 2**40), st.floats(0, 1)))
)
_attributes = st.dictionaries(_texts.filter(bool), st.one_of(_values, _sequences), max_size=6)
_times = st.integers(0, 2**63)
_states = st.sampled_from([TraceState(), TraceState([("a", "1"), ("b", "2")])])
_contexts = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.just(TraceFlags(TraceFlags.SAMPLED)),
    _states,
)
_scopes = st.sampled_from(
    [
        None,
        InstrumentationScope("services.api"),
        InstrumentationScope("services.processor", "1.0", "https://example.org/2", {"kind": "test"}),
    ]
)
_statuses = st.one_of(
    st.sampled_from([Status(StatusCode.UNSET), Status(StatusCode.OK)]),
    _texts.map(lambda text: Status(StatusCode.ERROR, text)),
)
_spans = st.builds(
    ReadableSpan,
    _texts,
    _contexts,
    st.none() | _contexts,
    st.just(_RESOURCE),
    st.none() | _attributes,
    st.lists(st.builds(Event, _texts, _attributes, _times), max_size=3),
    st.lists(st.builds(Link, _contexts, st.none() | _attributes), max_size=3),
    st.sampled_from(SpanKind),
    st.none(),
    _statuses,
    _times,
    _times,
    _scopes,
)


def decoded(spans: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(encode_spans(spans, _RESOURCE))


@given(st.lists(_spans, min_size=1, max_size=5))
def test_it_says_what_the_library_says(spans: list[ReadableSpan]) -> None:
    assert decoded(spans) == library_encoding(spans)


class _Kept(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def test_what_the_sdk_dropped_is_counted() -> None:
    kept = _Kept()
    limits = SpanLimits(
        max_span_attributes=1, max_events=1, max_links=1, max_event_attributes=1, max_link_attributes=1
    )
    provider = TracerProvider(resource=_RESOURCE, span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(kept)
    context = SpanContext(1, 2, False)
    links = [Link(context, {"a": 1, "b": 2}), Link(context, {"a": 1, "b": 2})]
    span = provider.get_tracer("test").start_span("full", links=links, attributes={"a": 1, "b": 2})
    for name in ("first", "second"):
        span.add_event(name, {"a": 1, "b": 2})
    span.end()
    assert decoded(kept.spans) == library_encoding(kept.spans)
    (sent,) = decoded(kept.spans).resource_spans[0].scope_spans[0].spans
    assert (sent.dropped_attributes_count, sent.dropped_events_count, sent.dropped_links_count) == (1, 1, 1)


def test_half_a_surrogate_pair_costs_a_character_and_no_span() -> None:
    context = SpanContext(1, 2, False)
    span = ReadableSpan("a\ud800b", context, None, _RESOURCE, {"text": "\udfff", "other": 1})
    (sent,) = decoded([span]).resource_spans[0].scope_spans[0].spans
    assert (sent.name, [pair.value.string_value for pair in sent.attributes]) == ("a?b", ["?", ""])
