"""The laws of the ports: what is sent arrives, untouched and in order."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import pytest

from shared.errors import InvalidEvent, InvalidReason
from shared.ports import Consumer, OutgoingRecord, Producer
from tests.contract.messaging.places import PARTITIONS, TIMEOUT, Messaging, read, send_all
from tests.support.processes import wait_until


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


def test_poll_returns_at_most_as_many_records_as_asked_for(
    messaging: Messaging, producer: Producer, join: Callable[[], Consumer]
) -> None:
    send_all(producer, messaging.topic, [(b"%d" % number, b"") for number in range(20)])
    consumer, sizes, values = join(), set(), 0
    while values < 20:
        batch = consumer.poll(7, 0.1)
        sizes.add(len(batch))
        values += len(batch)
    assert max(sizes) <= 7
