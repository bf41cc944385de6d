from __future__ import annotations

from opentelemetry.sdk.trace import TracerProvider

from shared.events import decode_event
from shared.messaging.document_record import document_record
from tests.unit.services.processor.support import an_event


def test_the_record_is_keyed_by_document_and_carries_the_trace() -> None:
    event = an_event("enwiki:42")
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("send") as span:
        record = document_record("documents", event)
    headers = dict(record.headers)
    assert record.topic == "documents"
    assert record.key == b"enwiki:42"
    assert decode_event(record.value) == event
    assert headers["event_id"] == event.event_id.encode()
    assert headers["schema"] == b"document-event/1"
    assert f"{span.get_span_context().trace_id:032x}".encode() in headers["traceparent"]
