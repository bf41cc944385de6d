from __future__ import annotations

import logging

import pytest
from prometheus_client import CollectorRegistry

from shared.errors import InvalidReason
from shared.events import parse_time
from shared.messaging.dead_letter import DeadLetterQueue
from shared.messaging.memory_broker import MemoryBroker
from shared.observability.metrics import ProcessorMetrics


def test_the_bytes_are_kept_and_the_reason_is_added(caplog: pytest.LogCaptureFixture) -> None:
    broker, registry = MemoryBroker(1), CollectorRegistry()
    producer = broker.producer()
    queue = DeadLetterQueue(producer, "dlq", ProcessorMetrics(registry).dead_letters)
    answers: list[Exception | None] = []
    with caplog.at_level(logging.WARNING):
        queue.send(
            value=b"\xff{",
            reason=InvalidReason.INVALID_UTF8,
            detail="long \ud800" + "x" * 2_000,
            key=b"k",
            headers=(("traceparent", b"00"), ("dlq.reason", b"of an earlier failure")),
            origin="documents/3@17",
            on_delivery=answers.append,
        )
    assert producer.flush(5) == 0
    producer.close()
    [record] = broker.records("dlq")
    headers = dict(record.headers)
    assert (record.key, record.value) == (b"k", b"\xff{")
    assert [name for name, _ in record.headers] == [
        "traceparent", "dlq.reason", "dlq.detail", "dlq.origin", "dlq.failed_at",
    ]  # fmt: skip
    assert headers["dlq.reason"] == b"invalid_utf8"
    assert headers["dlq.detail"].startswith(b"long \\ud800x")
    assert len(headers["dlq.detail"]) < 600
    assert headers["dlq.origin"] == b"documents/3@17"
    assert parse_time(headers["dlq.failed_at"].decode())
    assert answers == [None]
    assert registry.get_sample_value("rag_dlq_messages_total", {"reason": "invalid_utf8"}) == 1
    [line] = caplog.records
    assert vars(line)["reason"] == "invalid_utf8"
    assert vars(line)["origin"] == "documents/3@17"
