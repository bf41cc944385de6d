"""Records → events and poison. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from opentelemetry.context import Context

from services.processor.work import Poison, Ticket
from shared.errors import InvalidEvent, InvalidReason
from shared.events import DocumentEvent, decode_event
from shared.observability.trace_context import trace_id_of
from shared.ports import Record


@dataclass(slots=True)
class Reading:
    """Of several events of one document only the newest is in ``events``: the others could not change
    what the store ends with. They are in ``duplicates`` (equal version) and ``stale`` (lower)."""

    events: dict[str, tuple[Ticket, DocumentEvent]] = field(default_factory=dict)
    poison: list[Poison] = field(default_factory=list)
    duplicates: list[Ticket] = field(default_factory=list)
    stale: list[Ticket] = field(default_factory=list)

    def add(self, ticket: Ticket, event: DocumentEvent) -> None:
        document = event.document
        known = self.events.get(document.document_id)
        if known is None:
            self.events[document.document_id] = ticket, event
            return
        version = known[1].document.version
        if document.version > version:
            self.events[document.document_id] = ticket, event
            self.stale.append(known[0])
        else:
            (self.duplicates if document.version == version else self.stale).append(ticket)


def read(tickets: Iterable[Ticket], max_event_bytes: int) -> Reading:
    reading = Reading()
    for ticket in tickets:
        try:
            event = traced(_decode(ticket.record, max_event_bytes), ticket.context)
        except InvalidEvent as error:
            reading.poison.append(Poison(ticket, ticket.record, error.reason, error.detail))
        else:
            reading.add(ticket, event)
    return reading


def traced(event: DocumentEvent, context: Context) -> DocumentEvent:
    """The document knows the trace of the event that brought it."""
    trace_id = trace_id_of(context)
    if trace_id is None:
        return event
    return replace(event, document=replace(event.document, ingest_trace_id=trace_id))


def _decode(record: Record, max_event_bytes: int) -> DocumentEvent:
    value = record.value
    if value is not None and len(value) > max_event_bytes:
        raise InvalidEvent(
            InvalidReason.TOO_LARGE, f"{len(value)} bytes, at most {max_event_bytes} (MAX_EVENT_BYTES)"
        )
    return decode_event(value)
