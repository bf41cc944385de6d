"""The laws of the ports: a member that takes nothing in remains one."""

from __future__ import annotations

from collections.abc import Callable

from shared.ports import Consumer, Producer, TopicPartition
from tests.contract.messaging.places import (
    PARTITIONS,
    TIMEOUT,
    Messaging,
    in_every_group_protocol,
    read,
    send_all,
)
from tests.support.processes import wait_until


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
