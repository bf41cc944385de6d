"""Reading a whole topic of a real broker, outside of any group."""

from __future__ import annotations

import threading
import uuid
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from deploy.local.broker import broker_command
from shared.errors import BrokerUnavailable, ConfigurationError
from shared.messaging.factory import build_producer, ensure_topics
from shared.messaging.topic_reader import open_topic
from shared.ports import OutgoingRecord, Record
from shared.settings import KafkaSettings
from tests.support.processes import accepts_connections, free_port, running, wait_until


@pytest.fixture
def kafka(broker: str) -> KafkaSettings:
    name = f"whole-{uuid.uuid4()}"
    settings = KafkaSettings(bootstrap_servers=broker, topic=name, dlq_topic=f"{name}.dlq")
    ensure_topics(settings, 10)
    return settings


def send(kafka: KafkaSettings, count: int, size: int = 20) -> None:
    with closing(build_producer(kafka, "test")) as producer:
        for number in range(count):
            producer.send(
                OutgoingRecord(kafka.topic, str(number).encode(), b"x" * size, (("n", b"%d" % number),))
            )
        assert producer.flush(30) == 0


def read(kafka: KafkaSettings, starts: dict[int, int] | None = None) -> list[Record]:
    with open_topic(kafka, kafka.topic, starts) as reader:
        records = [record for batch in reader.batches() for record in batch]
        assert reader.done == reader.total
    return records


def test_all_that_was_confirmed_is_read_again_and_again(kafka: KafkaSettings) -> None:
    for round_number in range(1, 4):
        send(kafka, 500)
        records = read(kafka)
        assert len(records) == 500 * round_number
        assert len({(record.partition, record.offset) for record in records}) == len(records)
    for partition in range(kafka.partitions):
        offsets = [record.offset for record in records if record.partition == partition]
        assert offsets == sorted(offsets)
    assert {record.headers[0][1] for record in records} == {b"%d" % number for number in range(500)}


def test_an_empty_topic_has_an_end(kafka: KafkaSettings) -> None:
    assert read(kafka) == []


def test_it_begins_where_it_is_told(kafka: KafkaSettings) -> None:
    send(kafka, 200)
    whole = [record for record in read(kafka) if record.partition == 2]
    assert read(kafka, {2: 7}) == whole[7:]
    assert read(kafka, {2: len(whole) + 1000}) == []
    assert read(kafka, {99: 0}) == []


def test_large_records_come_whole(kafka: KafkaSettings) -> None:
    send(kafka, 3, size=5_000_000)
    assert [len(record.value or b"") for record in read(kafka)] == [5_000_000] * 3


def test_a_topic_that_is_written_all_the_time_has_an_end(kafka: KafkaSettings) -> None:
    send(kafka, 1_000)
    stop = threading.Event()

    def write() -> None:
        with closing(build_producer(kafka, "writer")) as producer:
            while not stop.is_set():
                producer.send(OutgoingRecord(kafka.topic, None, b"more"))
            producer.flush(30)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert len(read(kafka)) >= 1_000
    finally:
        stop.set()
        writer.join()


def test_a_reader_leaves_no_group_behind(kafka: KafkaSettings) -> None:
    send(kafka, 10)
    read(kafka)
    groups = AdminClient({"bootstrap.servers": kafka.bootstrap_servers}).list_consumer_groups().result().valid
    assert not [group.group_id for group in groups if group.group_id.startswith("topic-reader")]


def test_a_missing_topic_is_named_with_its_setting(kafka: KafkaSettings) -> None:
    missing = kafka.model_copy(update={"topic": "nowhere", "dlq_topic": "nowhere.dlq"})
    for topic, setting in (("nowhere", "KAFKA_TOPIC"), ("nowhere.dlq", "KAFKA_DLQ_TOPIC")):
        with pytest.raises(ConfigurationError, match=f"^{setting}={topic}: "), open_topic(missing, topic):
            pass


def test_a_broker_that_is_away_is_named() -> None:
    kafka = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")
    with (
        pytest.raises(BrokerUnavailable, match=f"KAFKA_BOOTSTRAP_SERVERS={kafka.bootstrap_servers}"),
        open_topic(kafka, kafka.topic),
    ):
        pass


def test_a_broker_that_goes_away_ends_the_wait(tmp_path: Path) -> None:
    port = free_port()
    kafka = KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}")
    with running(broker_command(port), tmp_path / "broker.log") as process:
        wait_until(lambda: accepts_connections(port), 60, "the broker")
        ensure_topics(kafka, 60)
        with open_topic(kafka, kafka.topic) as reader:
            process.kill()
            process.wait()
            with pytest.raises(BrokerUnavailable, match="topic 'documents' cannot be read to its end"):
                list(reader.batches(patience=1))
