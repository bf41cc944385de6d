"""Which offsets may be committed, and when."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from shared.errors import BrokerUnavailable
from shared.ports import Clock, Consumer, Record, TopicPartition

log = logging.getLogger(__name__)


class OffsetCommitter:
    """Commits what is done at most once per ``interval`` seconds, and when told to.

    A commit that fails is tried again; all that it can cost is work done twice.
    """

    def __init__(self, consumer: Consumer, clock: Clock, interval: float) -> None:
        self._consumer = consumer
        self._clock = clock
        self._interval = interval
        self._done: dict[TopicPartition, int] = {}
        self._next_commit = clock.monotonic() + interval

    def done(self, records: Iterable[Record]) -> None:
        """The effects of the records, and of all before them on their partitions, are durable."""
        for record in records:
            self._done[record.topic_partition] = record.offset + 1

    def commit_if_due(self) -> None:
        if self._done and self._clock.monotonic() >= self._next_commit:
            self.commit()

    def commit(self) -> None:
        self._commit(frozenset(self._done))

    def give_up(self, partitions: Collection[TopicPartition]) -> None:
        """The partitions go to another member: the last moment to commit them."""
        self._commit(partitions)
        for partition in partitions:
            self._done.pop(partition, None)

    def _commit(self, partitions: Collection[TopicPartition]) -> None:
        offsets = {partition: self._done[partition] for partition in partitions if partition in self._done}
        self._next_commit = self._clock.monotonic() + self._interval
        if not offsets:
            return
        try:
            self._consumer.commit(offsets)
        except BrokerUnavailable as error:
            log.warning("not committed yet", extra={"error": str(error)})
            return
        for partition in offsets:
            del self._done[partition]
