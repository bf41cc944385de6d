"""Spans around the work, tied to the traces that the records carry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind

from shared.observability.trace_context import extract_context
from shared.ports import Record

_tracer = trace.get_tracer("services.processor")


def start_batch_span(records: Sequence[Record]) -> Span:
    """Child of a single record's trace; linked to those of several. The caller ends it."""
    contexts = [extract_context(record.headers) for record in records]
    return _tracer.start_span(
        f"process {records[0].topic}",
        context=contexts[0] if len(records) == 1 else Context(),
        kind=SpanKind.CONSUMER,
        links=[] if len(records) == 1 else [link for context in contexts for link in _links(context)],
        attributes={**_attributes(records[0]), "messaging.batch.message_count": len(records)},
    )


@contextmanager
def record_span(record: Record) -> Iterator[None]:
    with _tracer.start_as_current_span(
        f"dead_letter {record.topic}",
        context=extract_context(record.headers),
        kind=SpanKind.CONSUMER,
        attributes={
            **_attributes(record),
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
        },
    ):
        yield


def _attributes(record: Record) -> dict[str, str | int]:
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": record.topic,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
    }


def _links(context: Context) -> list[Link]:
    carried = trace.get_current_span(context).get_span_context()
    return [Link(carried)] if carried.is_valid else []
