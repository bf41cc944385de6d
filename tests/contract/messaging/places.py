"""Where the laws of the Producer and Consumer ports are held: in memory, and at real brokers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import pytest

from deploy.local.broker import GROUP_SETTINGS
from shared.messaging.factory import build_consumer, build_producer, ensure_topics
from shared.messaging.kafka_consumer import KafkaConsumer, consumer_config, is_cooperative
from shared.messaging.memory_broker import MemoryBroker
from shared.ports import Consumer, OutgoingRecord, Producer, Record, TopicPartition
from shared.settings import KafkaSettings

TIMEOUT = 60.0
PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class SilentMember:
    """``fall_silent`` returns when the group has given the member up."""

    consumer: Consumer
    fall_silent: Callable[[], None]

    def close(self) -> None:
        self.consumer.close()


class Messaging(Protocol):
    topic: str
    group: str

    def producer(self) -> Producer: ...

    def consumer(self) -> Consumer: ...

    def silent_consumer(self) -> SilentMember: ...


class Memory:
    def __init__(self) -> None:
        self._broker = MemoryBroker(PARTITIONS)
        self.topic = "documents"
        self.group = "group"

    def producer(self) -> Producer:
        return self._broker.producer()

    def consumer(self) -> Consumer:
        return self._broker.consumer(self.group, [self.topic])

    def silent_consumer(self) -> SilentMember:
        consumer = self._broker.consumer(self.group, [self.topic])
        return SilentMember(consumer, consumer.expel)


class Kafka:
    """Any real client and broker; ``group`` overrides the settings of the embedded one."""

    def __init__(self, bootstrap_servers: str, **group: str) -> None:
        self.topic = f"contract-{uuid.uuid4()}"
        self.group = f"group-{uuid.uuid4()}"
        self.settings = KafkaSettings(
            bootstrap_servers=bootstrap_servers,
            topic=self.topic,
            dlq_topic=f"{self.topic}.dlq",
            group_id=self.group,
            partitions=PARTITIONS,
            **{name.removeprefix("KAFKA_").lower(): value for name, value in GROUP_SETTINGS.items()} | group,
        )
        if not group:  # the mock cluster makes topics when they are first asked for
            ensure_topics(self.settings, TIMEOUT)

    def producer(self) -> Producer:
        return build_producer(self.settings, "contract")

    def consumer(self) -> Consumer:
        return build_consumer(self.settings, "contract")

    def silent_consumer(self) -> SilentMember:
        patience = self.settings.session_timeout_ms
        config = {**consumer_config(self.settings, "contract"), "max.poll.interval.ms": patience}
        consumer = KafkaConsumer(config, [self.topic], cooperative=is_cooperative(self.settings))
        return SilentMember(consumer, lambda: time.sleep(patience / 1000 + 4))


in_every_group_protocol = pytest.mark.parametrize(
    "messaging", ["memory", "kafka", "cooperative", "consumer"], indirect=True
)


def send_all(producer: Producer, topic: str, pairs: list[tuple[bytes | None, bytes | None]]) -> None:
    failures: list[Exception] = []
    for key, value in pairs:
        producer.send(
            OutgoingRecord(topic, key, value), lambda error: failures.append(error) if error else None
        )
    assert producer.flush(TIMEOUT) == 0
    assert failures == []


def read(consumer: Consumer, count: int, timeout: float = TIMEOUT) -> list[Record]:
    """Poll until ``count`` records arrived."""
    records: list[Record] = []
    deadline = time.monotonic() + timeout
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count} records after {timeout} s"
        records += consumer.poll(100, 0.1)
    return records


def next_offsets(records: list[Record]) -> dict[TopicPartition, int]:
    return {record.topic_partition: record.offset + 1 for record in records}
