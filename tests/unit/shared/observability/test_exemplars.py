"""Which trace a figure leads to, and that it comes out where Prometheus asks."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from shared.observability.exemplars import exemplar, exemplar_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


def test_there_is_none_outside_a_span() -> None:
    assert exemplar() is None


def test_it_is_the_trace_of_the_current_span() -> None:
    with TracerProvider().get_tracer("test").start_as_current_span("work") as span:
        assert exemplar() == {"trace_id": f"{span.get_span_context().trace_id:032x}"}


def test_a_trace_that_is_not_kept_leads_nowhere() -> None:
    with TracerProvider(sampler=ALWAYS_OFF).get_tracer("test").start_as_current_span("work"):
        assert exemplar() is None


@pytest.mark.parametrize("flags", ["01", "03", "ff"])
def test_a_record_leads_to_the_trace_that_it_carries(flags: str) -> None:
    headers = (("event_id", b"7"), ("traceparent", f"00-{TRACE}-{SPAN}-{flags}".encode()))
    assert exemplar_of(headers) == {"trace_id": TRACE}


@pytest.mark.parametrize(
    "value",
    [
        f"00-{TRACE}-{SPAN}-00".encode(),
        f"00-{TRACE}-{SPAN}".encode(),
        f"00-{TRACE.upper()}-{SPAN}-01".encode(),
        f"00-{TRACE}\n-{SPAN}-01".encode(),
        b'00-"} 1\nforged_total 99-01',
        b"\xff\xfe",
        b"",
        None,
    ],
)
def test_what_is_no_sampled_parent_leads_nowhere(value: bytes) -> None:
    assert exemplar_of((("traceparent", value),)) is None


def test_a_record_may_carry_nothing() -> None:
    assert exemplar_of(()) is None
