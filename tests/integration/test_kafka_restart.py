"""A broker that keeps nothing goes away and comes back empty; the clients go on."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from deploy.local.broker import GROUP_SETTINGS, broker_command
from shared.errors import BrokerUnavailable
from shared.messaging.factory import build_consumer, ensure_topics
from shared.messaging.kafka_producer import KafkaProducer, producer_config
from shared.ports import OutgoingRecord, Record
from shared.settings import KafkaSettings
from tests.support.processes import accepts_connections, free_port, running, wait_until

TIMEOUT = 60.0


@contextmanager
def a_broker(port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with running(broker_command(port), log) as process:
        wait_until(lambda: accepts_connections(port), TIMEOUT, f"broker on port {port}")
        yield process


def settings_for(port: int) -> KafkaSettings:
    group = {name.removeprefix("KAFKA_").lower(): value for name, value in GROUP_SETTINGS.items()}
    return KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}", **group)


def test_no_broker_is_one_clear_line() -> None:
    settings = settings_for(free_port())
    with pytest.raises(BrokerUnavailable) as caught:
        ensure_topics(settings, timeout=1)
    assert f"KAFKA_BOOTSTRAP_SERVERS={settings.bootstrap_servers}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_topics_are_made_once(broker: str) -> None:
    name = f"topics-{uuid.uuid4()}"
    settings = KafkaSettings(bootstrap_servers=broker, topic=name, dlq_topic=f"{name}.dlq", partitions=3)
    for _ in range(2):
        ensure_topics(settings, timeout=TIMEOUT)
    topics = AdminClient({"bootstrap.servers": broker}).list_topics(timeout=TIMEOUT).topics
    assert {topic: len(topics[topic].partitions) for topic in (name, f"{name}.dlq")} == {
        name: 3,
        f"{name}.dlq": 3,
    }


def test_producer_and_consumer_outlive_a_broker_that_forgets(tmp_path: Path) -> None:
    port = free_port()
    settings = settings_for(port)
    config = {**producer_config(settings, "test"), "message.timeout.ms": 2_000}
    answers: list[Exception | None] = []
    received: list[Record] = []

    def send(value: bytes) -> None:
        answers.clear()
        producer.send(OutgoingRecord(settings.topic, b"k", value), answers.append)

    def sent_again(value: bytes) -> bool:
        """As a caller does: send once more what failed."""
        if answers and answers[0] is not None:
            assert isinstance(answers[0], BrokerUnavailable)
            send(value)
        return answers == [None]

    def arrived(value: bytes) -> bool:
        received.extend(consumer.poll(10, 0.1))
        return value in [record.value for record in received]

    with a_broker(port, tmp_path / "first.log") as process:
        ensure_topics(settings, timeout=TIMEOUT)
        producer = KafkaProducer(config, settings.max_message_bytes)
        consumer = build_consumer(settings, "test")
        with closing(producer), closing(consumer):
            send(b"before")
            wait_until(lambda: arrived(b"before"), TIMEOUT, "the first record")
            consumer.commit({record.topic_partition: record.offset + 1 for record in received})
            process.kill()
            process.wait()
            send(b"after")
            with pytest.raises(BrokerUnavailable):
                consumer.commit({record.topic_partition: record.offset + 2 for record in received})
            with a_broker(port, tmp_path / "second.log"):
                ensure_topics(settings, timeout=TIMEOUT)
                wait_until(lambda: sent_again(b"after"), TIMEOUT, "the record after the restart")
                wait_until(lambda: arrived(b"after"), TIMEOUT, "the record at the consumer")


def test_a_commit_without_a_broker_fails(tmp_path: Path) -> None:
    port = free_port()
    settings = settings_for(port)
    received: list[Record] = []
    with a_broker(port, tmp_path / "broker.log"):
        ensure_topics(settings, timeout=TIMEOUT)
        with closing(
            KafkaProducer(producer_config(settings, "test"), settings.max_message_bytes)
        ) as producer:
            producer.send(OutgoingRecord(settings.topic, b"k", b"v"))
            assert producer.flush(TIMEOUT) == 0
        consumer = build_consumer(settings, "test")
        wait_until(lambda: bool(received.extend(consumer.poll(1, 0.1)) or received), TIMEOUT, "the record")
    with closing(consumer), pytest.raises(BrokerUnavailable):
        consumer.commit({received[0].topic_partition: 1})
