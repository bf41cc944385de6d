"""The laws of the ports: where the next member of the group goes on."""

from __future__ import annotations

import time
from collections.abc import Callable

from shared.ports import Consumer, Producer
from tests.contract.messaging.places import PARTITIONS, TIMEOUT, Messaging, next_offsets, read, send_all
from tests.support.processes import wait_until


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
