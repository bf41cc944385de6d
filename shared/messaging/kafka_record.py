"""What the client read → the port's Record."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Message

from shared.ports import Record


def record_from(message: Message) -> Record:
    """``message`` holds a record, not an error."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    headers: Any = message.headers() or ()
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        key=message.key(),
        value=message.value(),
        headers=tuple((name, value or b"") for name, value in headers),
        timestamp_ms=message.timestamp()[1],
    )
