"""Spans of the processor.

A batch has a span of its own, with a link to the send of each record in it. What becomes of one document
goes on in the trace of its event, if that is sampled: ``chunk``, ``embeddings``, ``upsert`` are children of
its send, with a link to the batch. They are made after the fact, because a batch does each step for many
documents at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanKind, StatusCode

from services.processor.work import Ticket, Work
from shared.domain import WriteOutcome
from shared.observability import semconv
from shared.observability.past_spans import PastSpans
from shared.observability.trace_context import span_context_of
from shared.ports import TopicPartition

_SCOPE = "services.processor"
_tracer = trace.get_tracer(_SCOPE)
_past = PastSpans(_SCOPE)


def start_batch_span(tickets: Sequence[Ticket]) -> Span:
    """Child of a single record's send; linked to those of several. The caller ends it."""
    record = tickets[0].record
    alone = len(tickets) == 1
    carried = [] if alone else [span_context_of(ticket.context) for ticket in tickets]
    return _tracer.start_span(
        f"process {record.topic}",
        context=tickets[0].context if alone else Context(),
        kind=SpanKind.CONSUMER,
        links=[Link(context) for context in carried if context],
        attributes={
            **_messaging(record.topic, "process", "process"),
            semconv.MESSAGING_BATCH_COUNT: len(tickets),
        },
    )


def start_commit_span(offsets: Mapping[TopicPartition, int]) -> Span:
    """Of flushing the store and storing the offsets after it. The caller ends it."""
    topic = next(iter(offsets)).topic
    return _tracer.start_span(
        f"commit {topic}",
        context=Context(),
        kind=SpanKind.CLIENT,
        attributes={
            **_messaging(topic, "commit", "settle"),
            semconv.MESSAGING_PARTITION: ",".join(sorted(str(each.partition) for each in offsets)),
        },
    )


def note_chunks(work: Work, started: int) -> None:
    """From ``started`` to now; times in nanoseconds since 1970, here and below."""
    if _is_traced(work):
        attributes = {semconv.RAG_CHUNKS: len(work.chunks), semconv.RAG_CHUNKS_FRESH: len(work.fresh)}
        _note(work, "chunk", SpanKind.INTERNAL, started, attributes)


def note_embeddings(works: Sequence[Work], model: str, batch: Span, started: int) -> None:
    """Of each work that had something to embed."""
    for work in works:
        if _is_traced(work) and (fresh := len(work.fresh)):
            attributes: dict[str, str | int] = {
                semconv.GEN_AI_OPERATION: "embeddings",
                semconv.GEN_AI_REQUEST_MODEL: model,
                semconv.OPENINFERENCE_KIND: "EMBEDDING",
                semconv.RAG_CHUNKS_FRESH: fresh,
            }
            _note(work, f"embeddings {model}", SpanKind.CLIENT, started, attributes, batch)


def note_writes(answers: Sequence[tuple[Work, WriteOutcome]], store: str, started: int) -> None:
    """``store``: the name of its kind. The current span is the batch's."""
    batch = trace.get_current_span()
    for work, outcome in answers:
        if _is_traced(work):
            operation = "delete" if work.is_delete else "upsert"
            attributes = {
                semconv.DB_SYSTEM: store,
                semconv.DB_OPERATION: operation,
                semconv.RAG_WRITE_OUTCOME: outcome.value,
            }
            _note(work, operation, SpanKind.CLIENT, started, attributes, batch)


def note_held_back(stage: str, error: Exception) -> None:
    """On the current span, if there is one: a dependency is away."""
    attributes = {semconv.RAG_STAGE: stage, semconv.ERROR_TYPE: type(error).__name__}
    trace.get_current_span().add_event("held back", attributes)


def note_failure(error: Exception) -> None:
    """The current span's work was not done, which nobody is told by an exception."""
    span = trace.get_current_span()
    span.set_status(StatusCode.ERROR, str(error))
    span.set_attribute(semconv.ERROR_TYPE, type(error).__name__)


def _note(
    work: Work,
    name: str,
    kind: SpanKind,
    started: int,
    attributes: Mapping[str, str | int],
    batch: Span = INVALID_SPAN,
) -> None:
    send = span_context_of(work.ticket.context)
    assert send is not None
    document = work.event.document
    linked = batch.get_span_context()
    _past.record(
        name,
        send,
        kind,
        started,
        {**attributes, semconv.DOCUMENT_ID: document.document_id, semconv.RAG_REVISION: document.revision},
        [Link(linked)] if linked.is_valid else (),
    )


def _is_traced(work: Work) -> bool:
    carried = span_context_of(work.ticket.context)
    return carried is not None and carried.trace_flags.sampled


def _messaging(topic: str, operation: str, operation_type: str) -> dict[str, str | int]:
    return {
        semconv.MESSAGING_SYSTEM: semconv.KAFKA,
        semconv.MESSAGING_DESTINATION: topic,
        semconv.MESSAGING_OPERATION: operation,
        semconv.MESSAGING_OPERATION_TYPE: operation_type,
    }
