"""The laws of the ports: partitions that move to another member, with notice or without."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest

from shared.errors import BrokerUnavailable
from shared.ports import Consumer, Producer, Record, TopicPartition
from tests.contract.messaging.places import (
    PARTITIONS,
    TIMEOUT,
    Messaging,
    in_every_group_protocol,
    next_offsets,
    read,
    send_all,
)
from tests.support.processes import wait_until


@in_every_group_protocol
def test_a_second_member_takes_over_from_what_the_revoke_callback_committed(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    total = 40
    send_all(producer, messaging.topic, [(b"%d" % number, b"first") for number in range(total)])
    first = join()
    processed = next_offsets(read(first, total))
    revocations: list[frozenset[TopicPartition]] = []
    refused: set[TopicPartition] = set()

    def commit(partitions: frozenset[TopicPartition]) -> None:
        revocations.append(partitions)
        try:
            first.commit({partition: processed[partition] for partition in partitions})
        except BrokerUnavailable:  # the group forms anew already: the new owner reads them again
            refused.update(partitions)

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
    assert sum(record.value == b"second" for record in again) == total
    repeated = {record.topic_partition for record in again if record.value != b"second"}
    assert repeated <= refused


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
