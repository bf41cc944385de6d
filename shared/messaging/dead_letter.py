"""Where records go that can never be processed, with the reason; the bytes stay as they were."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from opentelemetry import trace
from opentelemetry.trace import SpanKind
from prometheus_client import Counter

from shared.errors import InvalidReason
from shared.events import format_time
from shared.observability import semconv
from shared.observability.trace_context import TRACE_HEADERS, extract_context, trace_headers
from shared.ports import DeliveryCallback, Headers, OutgoingRecord, Producer

log = logging.getLogger(__name__)
_tracer = trace.get_tracer("shared.messaging")

_DETAIL_LIMIT = 500
_PREFIX = "dlq."


class DeadLetterQueue:
    def __init__(self, producer: Producer, topic: str, counter: Counter) -> None:
        self._producer = producer
        self._topic = topic
        self._counter = counter

    def send(
        self,
        *,
        value: bytes | None,
        reason: InvalidReason,
        detail: str,
        key: bytes | None = None,
        headers: Headers = (),
        origin: str,
        on_delivery: DeliveryCallback | None = None,
    ) -> None:
        """Hand the record over, with ``headers`` and ``dlq.reason``, ``dlq.detail``, ``dlq.origin``,
        ``dlq.failed_at`` added. It is safe once ``on_delivery`` was called with ``None``; it is counted
        then, too.

        A record that carries a trace keeps it; any other gets the current one.

        ``origin`` says where it was read: ``documents/3@17``, ``wikimedia:mediawiki.page_change.v1``.
        """
        detail = detail[:_DETAIL_LIMIT]

        def delivered(error: Exception | None) -> None:
            if error is None:
                self._counter.labels(reason.value).inc()
            if on_delivery is not None:
                on_delivery(error)

        carries_trace = any(name in TRACE_HEADERS for name, _ in headers)
        with _tracer.start_as_current_span(
            f"dead_letter {self._topic}",
            context=extract_context(headers) if carries_trace else None,
            kind=SpanKind.PRODUCER,
            attributes={
                semconv.MESSAGING_SYSTEM: semconv.KAFKA,
                semconv.MESSAGING_DESTINATION: self._topic,
                semconv.MESSAGING_OPERATION: "dead_letter",
                semconv.MESSAGING_OPERATION_TYPE: "send",
                semconv.ERROR_TYPE: reason.value,
                semconv.RAG_DLQ_ORIGIN: origin,
            },
        ):
            self._producer.send(
                OutgoingRecord(
                    topic=self._topic,
                    key=key,
                    value=value,
                    headers=(
                        *(header for header in headers if not header[0].startswith(_PREFIX)),
                        *(() if carries_trace else trace_headers()),
                        (f"{_PREFIX}reason", reason.value.encode()),
                        (f"{_PREFIX}detail", detail.encode(errors="backslashreplace")),
                        (f"{_PREFIX}origin", origin.encode(errors="backslashreplace")),
                        (f"{_PREFIX}failed_at", format_time(datetime.now(UTC)).encode()),
                    ),
                ),
                delivered,
            )
            log.warning(
                "dead letter",
                extra={
                    "reason": reason.value,
                    "detail": detail,
                    "origin": origin,
                    "bytes": len(value or b""),
                },
            )
