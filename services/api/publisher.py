"""Document events into Kafka, confirmed."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from shared.errors import BrokerUnavailable, InvalidEvent
from shared.events import DocumentEvent
from shared.messaging.document_record import send_event
from shared.observability.metrics import ApiMetrics
from shared.ports import Clock, DeliveryCallback, Producer


class DocumentPublisher:
    """Safe to call from several threads."""

    def __init__(
        self, producer: Producer, topic: str, timeout_seconds: float, clock: Clock, metrics: ApiMetrics
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._metrics = metrics
        self._duration = metrics.client.operation_duration.labels("send")

    def publish(self, events: Sequence[DocumentEvent]) -> None:
        """Send the events and return once the broker has acknowledged every one.

        :raises BrokerUnavailable: not all were acknowledged in time; some may have been, and the rest may
            still arrive. Sending all of them again is safe.
        :raises InvalidEvent: the broker does not take a record of that size.
        """
        deadline = self._clock.monotonic() + self._timeout_seconds
        deliveries = _Deliveries(len(events))
        for event in events:
            send_event(self._producer, self._topic, event, self._counted(deliveries.confirm))
            if self._clock.monotonic() > deadline:
                break
        deliveries.wait(deadline - self._clock.monotonic())

    def _counted(self, confirm: DeliveryCallback) -> DeliveryCallback:
        start = time.perf_counter()

        def delivered(error: Exception | None) -> None:
            if error is None:
                self._metrics.sent.inc()
                self._duration.observe(time.perf_counter() - start)
            confirm(error)

        return delivered


class _Deliveries:
    """Counts acknowledgements, which arrive on the producer's thread."""

    def __init__(self, expected: int) -> None:
        self._outstanding = expected
        self._error: Exception | None = None
        self._changed = threading.Condition()

    def confirm(self, error: Exception | None) -> None:
        with self._changed:
            self._outstanding -= 1
            self._error = self._error or error
            self._changed.notify_all()

    def wait(self, timeout: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._outstanding == 0 or self._error is not None, timeout)
            if isinstance(self._error, InvalidEvent):
                raise self._error
            if self._error is not None:
                raise BrokerUnavailable(str(self._error)) from self._error
            if self._outstanding:
                raise BrokerUnavailable(f"{self._outstanding} records were not acknowledged in time")
