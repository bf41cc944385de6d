from __future__ import annotations

import threading

import pytest
from prometheus_client import CollectorRegistry

from services.api.publisher import DocumentPublisher
from shared.clock import SystemClock
from shared.domain import Document
from shared.errors import BrokerUnavailable, InvalidEvent, InvalidReason
from shared.events import DocumentEvent, Operation, decode_event, new_event_id
from shared.messaging.memory_broker import MemoryBroker
from shared.observability.metrics import ApiMetrics
from shared.ports import DeliveryCallback, OutgoingRecord
from tests.unit.services.api.conftest import NOW


def events(count: int) -> list[DocumentEvent]:
    return [
        DocumentEvent(
            Operation.UPSERT,
            new_event_id(),
            NOW,
            Document(f"d{number}", "api", "Title", "Text.", "", number, NOW),
        )
        for number in range(count)
    ]


class HeldProducer:
    """Acknowledges when the test says so."""

    def __init__(self) -> None:
        self.callbacks: list[DeliveryCallback] = []
        self.sent = threading.Event()

    def send(self, record: OutgoingRecord, on_delivery: DeliveryCallback | None = None) -> None:
        assert on_delivery is not None
        self.callbacks.append(on_delivery)
        if len(self.callbacks) == 2:
            self.sent.set()

    def flush(self, timeout: float) -> int:
        return 0

    def close(self) -> None:
        pass


def test_every_event_is_a_record_keyed_by_its_document() -> None:
    broker = MemoryBroker(partitions=1)
    producer = broker.producer()
    sent = events(3)
    registry = CollectorRegistry()
    DocumentPublisher(producer, "documents", 5, SystemClock(), ApiMetrics(registry)).publish(sent)
    records = broker.records("documents")
    assert [record.key for record in records] == [b"d0", b"d1", b"d2"]
    assert [decode_event(record.value) for record in records] == sent
    assert registry.get_sample_value("messaging_client_sent_messages_total") == 3
    operation = {"messaging_operation_name": "send"}
    assert registry.get_sample_value("messaging_client_operation_duration_seconds_count", operation) == 3
    producer.close()


def test_it_returns_only_after_the_last_acknowledgement() -> None:
    producer = HeldProducer()
    publisher = DocumentPublisher(producer, "documents", 30, SystemClock(), ApiMetrics(CollectorRegistry()))
    returned = threading.Event()

    def publish() -> None:
        publisher.publish(events(2))
        returned.set()

    thread = threading.Thread(target=publish)
    thread.start()
    assert producer.sent.wait(60)
    producer.callbacks[0](None)
    assert not returned.wait(0.05)
    producer.callbacks[1](None)
    assert returned.wait(60)
    thread.join()


@pytest.mark.timeout(60)
def test_a_broker_that_does_not_answer_is_unavailable_after_the_deadline() -> None:
    publisher = DocumentPublisher(
        HeldProducer(), "documents", 0.05, SystemClock(), ApiMetrics(CollectorRegistry())
    )
    with pytest.raises(BrokerUnavailable, match="2 records"):
        publisher.publish(events(2))


class FailingProducer(HeldProducer):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def send(self, record: OutgoingRecord, on_delivery: DeliveryCallback | None = None) -> None:
        assert on_delivery is not None
        on_delivery(self._error)


def test_one_failed_delivery_fails_the_request_at_once() -> None:
    publisher = DocumentPublisher(
        FailingProducer(BrokerUnavailable("gone")),
        "documents",
        30,
        SystemClock(),
        ApiMetrics(CollectorRegistry()),
    )
    with pytest.raises(BrokerUnavailable, match="gone"):
        publisher.publish(events(1))


def test_a_record_that_the_broker_never_takes_stays_an_invalid_event() -> None:
    error = InvalidEvent(InvalidReason.TOO_LARGE, "9 MB")
    publisher = DocumentPublisher(
        FailingProducer(error), "documents", 30, SystemClock(), ApiMetrics(CollectorRegistry())
    )
    with pytest.raises(InvalidEvent):
        publisher.publish(events(1))
