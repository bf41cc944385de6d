"""The laws of the ports: back to what was committed."""

from __future__ import annotations

from collections.abc import Callable

from shared.ports import Consumer, Producer
from tests.contract.messaging.places import TIMEOUT, Messaging, in_every_group_protocol, read, send_all
from tests.support.processes import wait_until


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
