"""What the broker holds: whole topics and committed offsets, read without joining the group."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException

from shared.ports import Headers
from shared.settings import KafkaSettings

Offsets = dict[int, int]
"""Partition → the next offset to read."""

_TIMEOUT = 10.0
_WHOLE_TOPIC_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class KeptRecord:
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    def header(self, name: str) -> str:
        return next(value for key, value in self.headers if key == name).decode()


def whole_topic(settings: KafkaSettings, topic: str) -> list[KeptRecord]:
    """Everything that was in it at the call, and perhaps more.

    :raises AssertionError: the broker did not hand it out in time.
    """
    deadline = time.monotonic() + _WHOLE_TOPIC_SECONDS
    records: list[KeptRecord] = []
    with _consumer(settings, f"{settings.group_id}-reader") as consumer:
        partitions = range(settings.partitions)
        consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in partitions])
        unread = set(partitions)
        while unread:
            assert time.monotonic() < deadline, f"{topic}: read {len(records)}, partitions {unread} have more"
            for message in consumer.consume(1_000, timeout=0.2):
                error = message.error()
                if error is None:
                    records.append(_kept(message))
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition())
                else:
                    raise AssertionError(f"{topic}: {error}")
    return records


class CommittedOffsets:
    """Of the processors' group."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._client = confluent_kafka.Consumer(_config(settings, settings.group_id))
        self._partitions = [
            confluent_kafka.TopicPartition(settings.topic, number) for number in range(settings.partitions)
        ]

    def read(self) -> Offsets | None:
        """``None`` while the broker is away."""
        try:
            answers = self._client.committed(self._partitions, timeout=_TIMEOUT)
        except KafkaException:
            return None
        if any(answer.error is not None for answer in answers):
            return None
        return {answer.partition: max(0, answer.offset) for answer in answers}

    def close(self) -> None:
        self._client.close()


@contextmanager
def _consumer(settings: KafkaSettings, group: str) -> Iterator[confluent_kafka.Consumer]:
    consumer = confluent_kafka.Consumer(_config(settings, group))
    try:
        yield consumer
    finally:
        consumer.close()


def _config(settings: KafkaSettings, group: str) -> dict[str, str | int | bool]:
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "group.id": group,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "fetch.message.max.bytes": settings.max_message_bytes,
        "reconnect.backoff.max.ms": 1_000,
        "log_level": 0,
    }


def _kept(message: confluent_kafka.Message) -> KeptRecord:
    headers = tuple((name, value or b"") for name, value in message.headers() or ())
    return KeptRecord(message.partition(), message.offset(), message.key(), message.value(), headers)
