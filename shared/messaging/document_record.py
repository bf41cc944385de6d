"""A document event as a Kafka record."""

from __future__ import annotations

from shared.events import SCHEMA, DocumentEvent, encode_event
from shared.observability.trace_context import trace_headers
from shared.ports import OutgoingRecord


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
