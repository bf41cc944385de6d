"""A document event as a Kafka record, and on its way."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from shared.events import SCHEMA, DocumentEvent, encode_event
from shared.observability import semconv
from shared.observability.trace_context import trace_headers
from shared.ports import DeliveryCallback, OutgoingRecord, Producer

_tracer = trace.get_tracer("shared.messaging")


def send_event(producer: Producer, topic: str, event: DocumentEvent, on_delivery: DeliveryCallback) -> None:
    """Hand the event over. Its span lasts until the broker has answered, and is what the consumer's work goes
    on from; ``on_delivery`` runs in it. Errors as in ``Producer.send``."""
    span = _tracer.start_span(
        f"send {topic}",
        kind=SpanKind.PRODUCER,
        attributes={
            semconv.MESSAGING_SYSTEM: semconv.KAFKA,
            semconv.MESSAGING_DESTINATION: topic,
            semconv.MESSAGING_OPERATION: "send",
            semconv.MESSAGING_OPERATION_TYPE: "send",
            semconv.MESSAGING_MESSAGE_ID: event.event_id,
            semconv.KAFKA_KEY: event.document.document_id,
            semconv.RAG_REVISION: event.document.revision,
        },
    )

    def delivered(error: Exception | None) -> None:
        if error is not None:
            span.set_attribute(semconv.ERROR_TYPE, type(error).__name__)
            span.set_status(StatusCode.ERROR, str(error))
        with trace.use_span(span, end_on_exit=True):
            on_delivery(error)

    with trace.use_span(span):
        is_sent = False
        try:
            producer.send(document_record(topic, event), delivered)
            is_sent = True
        finally:
            if not is_sent:
                span.end()


def document_record(topic: str, event: DocumentEvent) -> OutgoingRecord:
    """Keyed by document id, so that one document's events stay in order; carries the current trace."""
    return OutgoingRecord(
        topic=topic,
        key=event.document.document_id.encode(),
        value=encode_event(event),
        headers=(
            *trace_headers(),
            ("event_id", event.event_id.encode()),
            ("schema", SCHEMA.encode()),
        ),
    )
