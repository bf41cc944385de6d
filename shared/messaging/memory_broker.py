"""A broker in memory, and its Producer and Consumer: the reference for every other adapter.

Rebalances are cooperative: a member learns in ``poll`` that a partition shall go to another one, gives
it up there, and the other one's ``poll`` takes it.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import count

from shared.errors import BrokerUnavailable, InvalidEvent, InvalidReason
from shared.ports import DeliveryCallback, OutgoingRecord, Record, RevokeCallback, TopicPartition


class _Group:
    def __init__(self) -> None:
        self.members: dict[int, frozenset[str]] = {}
        self.owners: dict[TopicPartition, int] = {}
        self.committed: dict[TopicPartition, int] = {}

    def target(self, partition: TopicPartition) -> int:
        """The member that shall own the partition."""
        interested = sorted(member for member, topics in self.members.items() if partition.topic in topics)
        return interested[partition.partition % len(interested)]


class MemoryBroker:
    """Topics come into being when they are first used."""

    def __init__(self, partitions: int = 4, max_message_bytes: int = 8_388_608) -> None:
        self.partitions = partitions
        self.max_message_bytes = max_message_bytes
        self.changed = threading.Condition()
        self._logs: dict[TopicPartition, list[Record]] = {}
        self._groups: dict[str, _Group] = {}
        self._member_ids = count()

    def producer(self) -> MemoryProducer:
        return MemoryProducer(self)

    def consumer(self, group_id: str, topics: Iterable[str]) -> MemoryConsumer:
        with self.changed:
            group = self._groups.setdefault(group_id, _Group())
            member = next(self._member_ids)
            group.members[member] = frozenset(topics)
            self.changed.notify_all()
        return MemoryConsumer(self, group, member)

    def records(self, topic: str) -> list[Record]:
        """Everything in the topic, partition by partition."""
        with self.changed:
            return [record for partition in self.topic_partitions([topic]) for record in self.log(partition)]

    def topic_partitions(self, topics: Iterable[str]) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for topic in topics for number in range(self.partitions)]

    def log(self, partition: TopicPartition) -> list[Record]:
        return self._logs.setdefault(partition, [])

    def append(self, outgoing: OutgoingRecord) -> None:
        number = zlib.crc32(outgoing.key or b"") % self.partitions
        with self.changed:
            log = self.log(TopicPartition(outgoing.topic, number))
            log.append(
                Record(
                    topic=outgoing.topic,
                    partition=number,
                    offset=len(log),
                    key=outgoing.key,
                    value=outgoing.value,
                    headers=outgoing.headers,
                    timestamp_ms=time.time_ns() // 1_000_000,
                )
            )
            self.changed.notify_all()


class MemoryProducer:
    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._delivery = ThreadPoolExecutor(max_workers=1, thread_name_prefix="memory-delivery")
        self._outstanding: set[Future[None]] = set()
        self._closed = False

    def send(self, record: OutgoingRecord, on_delivery: DeliveryCallback | None = None) -> None:
        if self._closed:
            raise BrokerUnavailable("the producer is closed")
        size = len(record.key or b"") + len(record.value or b"")
        if size > self._broker.max_message_bytes:
            raise InvalidEvent(
                InvalidReason.TOO_LARGE, f"{size} bytes, at most {self._broker.max_message_bytes}"
            )
        self._broker.append(record)
        if on_delivery is not None:
            delivery = self._delivery.submit(on_delivery, None)
            self._outstanding.add(delivery)
            delivery.add_done_callback(self._outstanding.discard)

    def flush(self, timeout: float) -> int:
        return len(wait(set(self._outstanding), timeout).not_done)

    def close(self) -> None:
        self._closed = True
        self._delivery.shutdown()


class MemoryConsumer:
    def __init__(self, broker: MemoryBroker, group: _Group, member: int) -> None:
        self._broker = broker
        self._group = group
        self._member = member
        self._positions: dict[TopicPartition, int] = {}
        self._paused = False
        self._revoke_callback: RevokeCallback | None = None
        self._lost_callback: RevokeCallback | None = None
        self._lost: set[TopicPartition] = set()

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        deadline = time.monotonic() + timeout
        while True:
            self._rebalance()
            with self._broker.changed:
                records = [] if self._paused else self._take(max_records)
                remaining = deadline - time.monotonic()
                if records or remaining <= 0:
                    return records
                self._broker.changed.wait(min(remaining, 0.01))

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        with self._broker.changed:
            for partition, offset in offsets.items():
                if self._group.owners.get(partition) == self._member:
                    self._group.committed[partition] = offset

    def rewind(self) -> None:
        with self._broker.changed:
            for partition in self._positions:
                self._positions[partition] = self._group.committed.get(partition, 0)

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self._positions)

    def lag(self) -> dict[TopicPartition, int]:
        with self._broker.changed:
            return {
                partition: len(self._broker.log(partition)) - position
                for partition, position in self._positions.items()
            }

    def on_revoke(self, callback: RevokeCallback) -> None:
        self._revoke_callback = callback

    def on_lost(self, callback: RevokeCallback) -> None:
        self._lost_callback = callback

    def expel(self) -> None:
        """Take every partition away without notice, as a broker does with a member that was silent for
        too long; the next ``poll`` tells, and joins anew."""
        with self._broker.changed:
            self._lost |= self._positions.keys()
            self._release(frozenset(self._positions))

    def close(self) -> None:
        with self._broker.changed:
            self._group.members.pop(self._member, None)
            self._release(frozenset(self._positions))

    def _rebalance(self) -> None:
        if self._lost:
            lost, self._lost = frozenset(self._lost), set()
            if self._lost_callback is not None:
                self._lost_callback(lost)
        with self._broker.changed:
            wanted = {
                partition
                for partition in self._broker.topic_partitions(self._group.members[self._member])
                if self._group.target(partition) == self._member
            }
            leaving = frozenset(self._positions) - wanted
        if leaving:
            if self._revoke_callback is not None:
                self._revoke_callback(leaving)
            self._release(leaving)
        with self._broker.changed:
            for partition in wanted:
                if self._group.owners.setdefault(partition, self._member) == self._member:
                    self._positions.setdefault(partition, self._group.committed.get(partition, 0))

    def _release(self, partitions: frozenset[TopicPartition]) -> None:
        with self._broker.changed:
            for partition in partitions:
                del self._group.owners[partition]
                del self._positions[partition]
            self._broker.changed.notify_all()

    def _take(self, max_records: int) -> list[Record]:
        records: list[Record] = []
        for partition, position in self._positions.items():
            batch = self._broker.log(partition)[position : position + max_records - len(records)]
            self._positions[partition] += len(batch)
            records += batch
        return records
