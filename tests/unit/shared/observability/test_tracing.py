"""Spans of a process against a real receiver: what is exported, what is dropped, and that nobody waits."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Tracer

from shared.errors import ConfigurationError
from shared.observability.trace_context import extract_context
from shared.observability.tracing import Tracing, build_tracing
from shared.settings import TracingSettings, load_settings
from tests.support.otlp_receiver import OtlpReceiver, otlp_receiver
from tests.support.processes import free_port

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = SAMPLED[:-2] + "00"


class Counts:
    def __init__(self) -> None:
        self.delivered = 0
        self.lost: Counter[str] = Counter()

    def exported(self, number: int) -> None:
        self.delivered += number

    def dropped(self, reason: str, number: int) -> None:
        self.lost[reason] += number


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.observability.tracing._FLUSH_SECONDS", 60.0)


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as receiver:
        yield receiver


def tracing(counts: Counts, **settings: object) -> Tracing:
    return build_tracing("api", TracingSettings(_env_file=None, **settings), counts)  # type: ignore[call-arg, arg-type]


def tracer_of(made: Tracing) -> Tracer:
    return made.provider.get_tracer("test")


def remote(traceparent: str) -> Context:
    return extract_context([("traceparent", traceparent.encode())])


def make_spans(made: Tracing, number: int) -> None:
    for _ in range(number):
        tracer_of(made).start_span("work").end()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"exporter_otlp_endpoint": "http://127.0.0.1:9", "sdk_disabled": True},
        {"exporter_otlp_endpoint": "http://127.0.0.1:9", "traces_exporter": "none"},
    ],
)
def test_where_nothing_is_exported_there_are_ids(settings: dict[str, object], counts: Counts) -> None:
    made = tracing(counts, **settings)
    with tracer_of(made).start_as_current_span("outer") as outer:
        with tracer_of(made).start_as_current_span("inner") as inner:
            assert trace.get_current_span() is inner
        assert not outer.is_recording()
        assert inner.get_span_context().trace_id == outer.get_span_context().trace_id != 0
        assert inner.get_span_context().span_id != outer.get_span_context().span_id != 0
    made.close()
    assert not counts.lost


@pytest.mark.parametrize("traceparent", [SAMPLED, UNSAMPLED])
def test_without_export_the_callers_trace_goes_on_as_it_said(traceparent: str, counts: Counts) -> None:
    context = tracer_of(tracing(counts)).start_span("work", remote(traceparent)).get_span_context()
    assert f"00-{context.trace_id:032x}" == traceparent[:35]
    assert f"{context.trace_flags:02x}" == traceparent[-2:]
    assert f"{context.span_id:016x}" not in traceparent


def test_a_span_arrives_with_what_was_set(receiver: OtlpReceiver, counts: Counts) -> None:
    made = tracing(
        counts,
        exporter_otlp_endpoint=receiver.url + "/",
        exporter_otlp_headers="X-Key=a%20b,other=c",
        exporter_otlp_compression="gzip",
        resource_attributes="deployment.environment.name=test,team=a%20b",
    )
    with tracer_of(made).start_as_current_span("work", remote(SAMPLED)):
        pass
    made.close()
    (span,) = receiver.spans
    assert (span.service, span.name, span.parent) == ("api", "work", "00f067aa0ba902b7")
    assert span.resource["team"] == "a b"
    assert span.resource["deployment.environment.name"] == "test"
    assert span.resource["service.version"]
    (headers,) = receiver.headers
    assert (headers["x-key"], headers["other"]) == ("a b", "c")
    assert (counts.delivered, dict(counts.lost)) == (1, {})


def test_the_names_of_service_and_receiver_can_be_set(receiver: OtlpReceiver, counts: Counts) -> None:
    made = tracing(
        counts,
        exporter_otlp_endpoint="http://127.0.0.1:9",
        exporter_otlp_traces_endpoint=f"{receiver.url}/v1/traces",
        service_name="mine",
        resource_attributes="service.name=not this",
    )
    make_spans(made, 1)
    made.close()
    assert receiver.spans[0].service == "mine"


@pytest.mark.parametrize(
    ("sampler", "share", "expected"),
    [
        ("parentbased_always_on", 1.0, {"root", "sampled"}),
        ("always_on", 1.0, {"root", "sampled", "unsampled"}),
        ("always_off", 1.0, set()),
        ("parentbased_always_off", 1.0, {"sampled"}),
        ("traceidratio", 1.0, {"root", "sampled", "unsampled"}),
        ("traceidratio", 0.0, set()),
        ("parentbased_traceidratio", 0.0, {"sampled"}),
    ],
)
def test_samplers(
    receiver: OtlpReceiver, counts: Counts, sampler: str, share: float, expected: set[str]
) -> None:
    made = tracing(
        counts, exporter_otlp_endpoint=receiver.url, traces_sampler=sampler, traces_sampler_arg=share
    )
    for name, context in (
        ("root", Context()), ("sampled", remote(SAMPLED)), ("unsampled", remote(UNSAMPLED))
    ):  # fmt: skip
        tracer_of(made).start_span(name, context).end()
    made.close()
    assert {span.name for span in receiver.spans} == expected
    assert not counts.lost


def test_what_finds_the_queue_full_is_dropped_and_counted(receiver: OtlpReceiver, counts: Counts) -> None:
    receiver.open.clear()
    made = tracing(
        counts,
        exporter_otlp_endpoint=receiver.url,
        bsp_max_queue_size=10,
        bsp_max_export_batch_size=10,
        bsp_schedule_delay=600_000,
    )
    make_spans(made, 10)
    assert receiver.arrived.acquire(timeout=60)  # they are on their way, and the queue is empty
    make_spans(made, 17)
    assert dict(counts.lost) == {"queue_full": 7}
    receiver.open.set()
    made.close()
    assert (len(receiver.spans), counts.delivered) == (20, 20)
    assert dict(counts.lost) == {"queue_full": 7}


def test_a_receiver_that_is_away_costs_nothing_but_a_count_and_one_line(
    counts: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    made = tracing(
        counts,
        exporter_otlp_endpoint=f"http://127.0.0.1:{free_port()}",
        exporter_otlp_timeout=1,
        bsp_max_queue_size=100,
        bsp_max_export_batch_size=5,
    )
    with caplog.at_level(logging.INFO):
        make_spans(made, 20)
        made.close()
        make_spans(made, 1)
    assert dict(counts.lost) == {"export_failed": 20, "shutdown": 1}
    assert counts.delivered == 0
    (line,) = caplog.records
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in line.getMessage()


def test_a_receiver_that_refuses_is_counted(receiver: OtlpReceiver, counts: Counts) -> None:
    receiver.status = 400
    made = tracing(counts, exporter_otlp_endpoint=receiver.url)
    make_spans(made, 3)
    made.close()
    assert dict(counts.lost) == {"export_failed": 3}


def test_the_end_waits_no_longer_than_it_may(
    receiver: OtlpReceiver, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.observability.tracing._FLUSH_SECONDS", 0.05)
    receiver.open.clear()
    made = tracing(
        counts, exporter_otlp_endpoint=receiver.url, bsp_max_queue_size=10, bsp_max_export_batch_size=4
    )
    make_spans(made, 10)
    assert receiver.arrived.acquire(timeout=60)
    made.close()  # though nobody answers
    assert dict(counts.lost) == {"shutdown": 10}
    receiver.open.set()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "https?"),
        ("OTEL_TRACES_SAMPLER", "some", "always_on"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "less than or equal to 1"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a,b", "pattern"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "3000", "OTEL_BSP_MAX_QUEUE_SIZE=2048"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name) as caught:
        load_settings(TracingSettings)
    assert said in str(caught.value)
