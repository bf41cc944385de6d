"""The laws of the Producer and Consumer ports, held against every adapter."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import confluent_kafka
import pytest

from deploy.local.broker import GROUP_SETTINGS
from shared.errors import InvalidEvent, InvalidReason
from shared.messaging.client_config import ClientLog
from shared.messaging.factory import build_consumer, build_producer, ensure_topics
from shared.messaging.kafka_consumer import KafkaConsumer, consumer_config, is_cooperative
from shared.messaging.memory_broker import MemoryBroker
from shared.ports import Consumer, OutgoingRecord, Producer, Record, TopicPartition
from shared.settings import KafkaSettings
from tests.support.processes import wait_until

TIMEOUT = 30.0
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
            ensure_topics(self.settings, timeout=10)

    def producer(self) -> Producer:
        return build_producer(self.settings, "contract")

    def consumer(self) -> Consumer:
        return build_consumer(self.settings, "contract")

    def silent_consumer(self) -> SilentMember:
        patience = self.settings.session_timeout_ms
        config = {**consumer_config(self.settings, "contract"), "max.poll.interval.ms": patience}
        consumer = KafkaConsumer(config, [self.topic], cooperative=is_cooperative(self.settings))
        return SilentMember(consumer, lambda: time.sleep(patience / 1000 + 1.5))


@pytest.fixture(scope="session")
def mock_cluster() -> Iterator[str]:
    """The client library's own broker, which knows the group protocols that the embedded one does not."""
    silent = ClientLog("tests.mock_cluster")
    cluster = confluent_kafka.Producer({"test.mock.num.brokers": 1, "logger": silent})
    brokers = cluster.list_topics(timeout=10).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    cluster.flush(1)


@pytest.fixture(params=["memory", "kafka"])
def messaging(request: pytest.FixtureRequest) -> Messaging:
    """``cooperative``: the classic protocol, rebalanced one by one; ``consumer``: the newer protocol."""
    if request.param == "memory":
        return Memory()
    if request.param == "kafka":
        return Kafka(request.getfixturevalue("broker"))
    protocol = "consumer" if request.param == "consumer" else "classic"
    return Kafka(
        request.getfixturevalue("mock_cluster"),
        group_protocol=protocol,
        assignment_strategy="cooperative-sticky",
    )


in_every_group_protocol = pytest.mark.parametrize(
    "messaging", ["memory", "kafka", "cooperative", "consumer"], indirect=True
)


@pytest.fixture
def producer(messaging: Messaging) -> Iterator[Producer]:
    producer = messaging.producer()
    yield producer
    producer.close()


@pytest.fixture
def join(messaging: Messaging) -> Iterator[Callable[[], Consumer]]:
    """Make members of the group; all leave it after the test."""
    members: list[Consumer] = []

    def join() -> Consumer:
        members.append(messaging.consumer())
        return members[-1]

    yield join
    for member in members:
        member.close()


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


def test_records_of_one_key_stay_in_order_on_one_partition(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    keys = [b"key-%d" % rng.randrange(20) for _ in range(500)]
    send_all(producer, messaging.topic, [(key, b"%d" % number) for number, key in enumerate(keys)])
    records = read(join(), 500)
    for key in set(keys):
        own = [record for record in records if record.key == key]
        assert len({record.partition for record in own}) == 1, f"seed {seed}"
        assert [record.value for record in own] == [
            b"%d" % number for number, other in enumerate(keys) if other == key
        ], f"seed {seed}"
    assert len({record.partition for record in records}) == PARTITIONS


def test_bytes_and_headers_arrive_untouched(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    before = time.time_ns() // 1_000_000
    headers = (("traceparent", b"00-ab-cd-01"), ("twice", b"1"), ("twice", b"\xff\x00"), ("empty", b""))
    sent = [
        OutgoingRecord(messaging.topic, b"k\xff", bytes(range(256)), headers),
        OutgoingRecord(messaging.topic, b"k\xff", None),
        OutgoingRecord(messaging.topic, b"k\xff", b""),
        OutgoingRecord(messaging.topic, None, b"no key"),
    ]
    for record in sent:
        producer.send(record)
    assert producer.flush(TIMEOUT) == 0
    received = read(join(), len(sent))
    as_sent = [OutgoingRecord(r.topic, r.key, r.value, r.headers) for r in received]
    assert sorted(as_sent, key=repr) == sorted(sent, key=repr)
    assert all(before <= record.timestamp_ms <= before + 60_000 for record in received)


def test_a_five_megabyte_record_passes(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    value = random.Random(5).randbytes(5_000_000)
    send_all(producer, messaging.topic, [(b"big", value), (b"big", b"next")])
    assert [record.value for record in read(join(), 2)] == [value, b"next"]


def test_an_oversized_record_is_refused_at_once(messaging: Messaging, producer: Producer) -> None:
    with pytest.raises(InvalidEvent) as caught:
        producer.send(OutgoingRecord(messaging.topic, b"k", bytes(8_388_608)))
    assert caught.value.reason is InvalidReason.TOO_LARGE
    assert producer.flush(TIMEOUT) == 0


def test_delivery_is_confirmed_from_another_thread(messaging: Messaging, producer: Producer) -> None:
    confirmed: list[tuple[Exception | None, bool]] = []
    here = threading.get_ident()
    producer.send(
        OutgoingRecord(messaging.topic, b"k", b"v"),
        lambda error: confirmed.append((error, threading.get_ident() == here)),
    )
    wait_until(lambda: bool(confirmed), TIMEOUT, "delivery callback")
    assert confirmed == [(None, False)]


def test_a_committed_offset_is_the_next_one_to_read(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    send_all(producer, messaging.topic, [(b"k", b"%d" % number) for number in range(10)])
    first = join()
    records = read(first, 10)
    first.commit({records[6].topic_partition: records[6].offset + 1})
    first.close()
    assert [record.value for record in read(join(), 3)] == [b"7", b"8", b"9"]


def test_what_was_not_committed_is_delivered_again(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    send_all(producer, messaging.topic, [(b"k", b"1"), (b"k", b"2")])
    first = join()
    read(first, 2)
    first.close()
    assert [record.value for record in read(join(), 2)] == [b"1", b"2"]


def test_poll_returns_at_most_as_many_records_as_asked_for(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    send_all(producer, messaging.topic, [(b"%d" % number, b"") for number in range(20)])
    consumer, sizes, values = join(), set(), 0
    deadline = time.monotonic() + TIMEOUT
    while values < 20 and time.monotonic() < deadline:
        batch = consumer.poll(7, 0.1)
        sizes.add(len(batch))
        values += len(batch)
    assert values == 20
    assert max(sizes) == 7


def test_a_paused_consumer_returns_nothing_and_keeps_its_partitions(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    send_all(producer, messaging.topic, [(b"k", b"before")])
    consumer = join()
    read(consumer, 1)
    assigned = consumer.assignment()
    assert assigned == {TopicPartition(messaging.topic, number) for number in range(PARTITIONS)}
    consumer.pause()
    send_all(producer, messaging.topic, [(b"k", b"during"), (b"other", b"during")])
    for _ in range(5):
        assert consumer.poll(100, 0.1) == []
    assert consumer.assignment() == assigned
    consumer.resume()
    assert [record.value for record in read(consumer, 2)] == [b"during", b"during"]


@in_every_group_protocol
def test_partitions_assigned_while_paused_are_paused_too(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    send_all(producer, messaging.topic, [(b"k", b"v")])
    consumer = join()
    consumer.pause()
    wait_until(lambda: consumer.poll(10, 0.05) == [] and bool(consumer.assignment()), TIMEOUT, "assignment")
    for _ in range(5):
        assert consumer.poll(10, 0.1) == []
    consumer.resume()
    assert [record.value for record in read(consumer, 1)] == [b"v"]


def test_lag_counts_down_to_zero(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    send_all(producer, messaging.topic, [(b"k", b"%d" % number) for number in range(50)])
    consumer = join()
    records = []
    deadline = time.monotonic() + TIMEOUT
    while not records and time.monotonic() < deadline:
        records += consumer.poll(20, 0.1)
    assert sum(consumer.lag().values()) == 50 - len(records)
    records += read(consumer, 50 - len(records))
    assert consumer.lag() == dict.fromkeys(consumer.assignment(), 0)
    consumer.commit(next_offsets(records))
    consumer.close()

    successor = join()
    send_all(producer, messaging.topic, [(b"k", b"50")])
    successor.pause()
    wait_until(
        lambda: successor.poll(10, 0.05) == [] and len(successor.assignment()) == PARTITIONS,
        TIMEOUT,
        "assignment",
    )
    successor.resume()
    read(successor, 1)
    assert sum(successor.lag().values()) == 0


@in_every_group_protocol
def test_a_second_member_takes_over_from_what_the_revoke_callback_committed(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    total = 40
    send_all(producer, messaging.topic, [(b"%d" % number, b"first") for number in range(total)])
    first = join()
    processed = next_offsets(read(first, total))
    revocations: list[frozenset[TopicPartition]] = []

    def commit(partitions: frozenset[TopicPartition]) -> None:
        revocations.append(partitions)
        first.commit({partition: processed[partition] for partition in partitions})

    first.on_revoke(commit)
    second = join()
    again: list[Record] = []

    def shared_out() -> bool:
        again.extend(first.poll(100, 0.02) + second.poll(100, 0.02))
        return (
            len(second.assignment()) == PARTITIONS // 2
            and len(first.assignment()) == PARTITIONS // 2
            and not first.assignment() & second.assignment()
        )

    wait_until(shared_out, TIMEOUT, "two partitions each")
    assert revocations
    send_all(producer, messaging.topic, [(b"%d" % number, b"second") for number in range(total)])
    wait_until(
        lambda: shared_out() and sum(r.value == b"second" for r in again) >= total,
        TIMEOUT,
        "all new records",
    )
    assert [record.value for record in again] == [b"second"] * total


@in_every_group_protocol
def test_committing_what_was_given_up_changes_nothing(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    total = 40
    send_all(producer, messaging.topic, [(b"%d" % number, b"") for number in range(total)])
    first = join()
    records = read(first, total)
    processed = next_offsets(records)
    second = join()

    def shared_out() -> bool:
        first.poll(100, 0.02)
        second.poll(100, 0.02)
        return len(first.assignment()) == len(second.assignment()) == PARTITIONS // 2

    wait_until(shared_out, TIMEOUT, "two partitions each")
    gone = second.assignment()
    assert not gone & first.assignment()
    first.commit({partition: processed[partition] for partition in gone})
    second.close()
    again: set[tuple[TopicPartition, int]] = set()

    def read_again() -> bool:
        again.update((record.topic_partition, record.offset) for record in first.poll(100, 0.05))
        return again >= {(r.topic_partition, r.offset) for r in records if r.topic_partition in gone}

    wait_until(read_again, TIMEOUT, "the records of the partitions given up")


def test_closing_does_not_commit(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    send_all(producer, messaging.topic, [(b"k", b"v")])
    consumer = join()
    processed = next_offsets(read(consumer, 1))
    consumer.on_revoke(lambda partitions: consumer.commit(processed))
    consumer.close()
    consumer.close()
    assert [record.value for record in read(join(), 1)] == [b"v"]


@in_every_group_protocol
def test_rewound_it_reads_again_what_was_not_committed(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    send_all(producer, messaging.topic, [(b"k", b"%d" % number) for number in range(10)])
    send_all(producer, messaging.topic, [(b"other", b"never committed")])
    consumer = join()
    records = read(consumer, 11)
    fifth = next(record for record in records if record.value == b"5")
    consumer.commit({fifth.topic_partition: fifth.offset})
    for _ in range(2):
        consumer.rewind()
        again = read(consumer, 6)
        assert [r.value for r in again if r.key == b"k"] == [b"5", b"6", b"7", b"8", b"9"]
        assert [r.value for r in again if r.key == b"other"] == [b"never committed"]
    send_all(producer, messaging.topic, [(b"k", b"next")])
    assert [record.value for record in read(consumer, 1)] == [b"next"]


def test_rewound_before_all_that_was_fetched_was_returned_it_skips_and_doubles_nothing(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    send_all(producer, messaging.topic, [(b"k", b"%d" % number) for number in range(50)])
    consumer = join()
    wait_until(lambda: bool(consumer.poll(3, 0.1)), TIMEOUT, "the first records")
    consumer.rewind()
    assert [record.value for record in read(consumer, 50)] == [b"%d" % number for number in range(50)]
    assert consumer.poll(10, 0.2) == []


@in_every_group_protocol
def test_rewound_while_paused_it_stays_paused(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    pairs: list[tuple[bytes | None, bytes | None]] = [(b"%d" % number, b"v") for number in range(20)]
    send_all(producer, messaging.topic, pairs)
    consumer = join()
    read(consumer, 20)
    consumer.pause()
    assert consumer.poll(10, 0.1) == []
    consumer.rewind()
    for _ in range(5):
        assert consumer.poll(10, 0.1) == []
    consumer.resume()
    assert sorted(record.key or b"" for record in read(consumer, 20)) == sorted(
        key for key, _ in pairs if key
    )
    assert consumer.poll(10, 0.2) == []


@in_every_group_protocol
def test_rewound_at_once_after_the_assignment_it_reads_everything_once(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    send_all(producer, messaging.topic, [(b"%d" % number, b"v") for number in range(20)])
    consumer = join()
    consumer.rewind()
    consumer.pause()
    wait_until(lambda: consumer.poll(1, 0.01) == [] and bool(consumer.assignment()), TIMEOUT, "assignment")
    consumer.rewind()
    consumer.resume()
    consumer.rewind()
    assert len(read(consumer, 20)) == 20
    assert consumer.poll(10, 0.2) == []


@in_every_group_protocol
def test_partitions_lost_without_notice_are_told_and_not_committed(
    messaging: Messaging, producer: Producer
) -> None:
    send_all(producer, messaging.topic, [(b"k", b"1"), (b"k", b"2")])
    with closing(messaging.silent_consumer()) as member:
        consumer, fall_silent = member.consumer, member.fall_silent
        lost: set[TopicPartition] = set()
        consumer.on_lost(lost.update)
        consumer.on_revoke(lambda _partitions: pytest.fail("revoked, not lost"))
        records = read(consumer, 2)
        assigned = consumer.assignment()
        fall_silent()
        again = read(consumer, 2)
        assert lost == assigned
        assert [record.value for record in again] == [record.value for record in records] == [b"1", b"2"]
