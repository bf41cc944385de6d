"""Records to Kafka, and what becomes of the events they came from."""

from __future__ import annotations

import logging
import time

from services.producer.changes import DropReason
from services.producer.cursor import Ticket
from shared.errors import BrokerUnavailable, InvalidEvent, InvalidReason
from shared.events import DocumentEvent
from shared.messaging.dead_letter import DeadLetterQueue
from shared.messaging.document_record import send_event
from shared.observability.metrics import ProducerMetrics
from shared.ports import DeliveryCallback, Producer

log = logging.getLogger(__name__)


class Sender:
    """Every event ends here: sent, dead-lettered or dropped. Its ticket is done only when the broker
    has acknowledged it. Thread-safe."""

    def __init__(
        self,
        producer: Producer,
        dead_letters: DeadLetterQueue,
        topic: str,
        origin: str,
        metrics: ProducerMetrics,
    ) -> None:
        self._producer = producer
        self._dead_letters = dead_letters
        self._topic = topic
        self._origin = origin
        self._metrics = metrics
        self._duration = metrics.client.operation_duration.labels("send")
        self._failure: Exception | None = None

    @property
    def failure(self) -> Exception | None:
        """The first delivery that failed: the records after it may be lost, so start from the cursor."""
        return self._failure

    def send(self, event: DocumentEvent, raw: bytes, ticket: Ticket) -> None:
        """:raises BrokerUnavailable: the client cannot take more records."""
        try:
            send_event(self._producer, self._topic, event, self._sent(raw, ticket))
        except InvalidEvent as error:
            self.dead_letter(raw, error, ticket)

    def dead_letter(self, raw: bytes, error: InvalidEvent, ticket: Ticket) -> None:
        """Keep the raw bytes with the reason. What even the dead letter topic cannot hold is counted,
        logged and left, so that it cannot stop the stream."""
        try:
            self._dead_letters.send(
                value=raw,
                reason=error.reason,
                detail=error.detail,
                origin=self._origin,
                on_delivery=self._buried(raw, error, ticket),
            )
        except InvalidEvent as refusal:
            self._lose(raw, error, refusal, ticket)

    def drop(self, reason: DropReason, ticket: Ticket) -> None:
        self._metrics.events_dropped.labels(reason.value).inc()
        ticket.done()

    def _sent(self, raw: bytes, ticket: Ticket) -> DeliveryCallback:
        start = time.perf_counter()

        def delivered(error: Exception | None) -> None:
            if isinstance(error, InvalidEvent):  # the topic's own limit may be lower than ours
                self._try_to_dead_letter(raw, error, ticket)
            elif error is not None:
                self._failure = self._failure or error
            else:
                self._metrics.sent.inc()
                self._duration.observe(time.perf_counter() - start)
                ticket.done()

        return delivered

    def _try_to_dead_letter(self, raw: bytes, error: InvalidEvent, ticket: Ticket) -> None:
        try:
            self.dead_letter(raw, error, ticket)
        except BrokerUnavailable as failure:
            self._failure = self._failure or failure

    def _buried(self, raw: bytes, reason: InvalidEvent, ticket: Ticket) -> DeliveryCallback:
        def delivered(error: Exception | None) -> None:
            if isinstance(error, InvalidEvent):
                self._lose(raw, reason, error, ticket)
            elif error is not None:
                self._failure = self._failure or error
            else:
                ticket.done()

        return delivered

    def _lose(self, raw: bytes, reason: InvalidEvent, refusal: InvalidEvent, ticket: Ticket) -> None:
        self._metrics.dead_letters.labels(InvalidReason.TOO_LARGE.value).inc()
        log.error(
            "lost: too large for the dead letter topic too",
            extra={"bytes": len(raw), "reason": reason.reason.value, "detail": refusal.detail},
        )
        ticket.done()
