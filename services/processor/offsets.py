"""Which records are in flight, and which offsets may be committed. Pure; belongs to the loop's thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from services.processor.work import Ticket
from shared.ports import Record, TopicPartition


class Ledger:
    """An offset may be committed when its record and all before it on its partition are done."""

    def __init__(self) -> None:
        self._open: dict[TopicPartition, deque[Ticket]] = {}
        self._next: dict[TopicPartition, int] = {}
        self._bytes = 0

    @property
    def bytes_in_flight(self) -> int:
        return self._bytes

    def take(self, records: Iterable[Record]) -> list[Ticket]:
        tickets = [Ticket(record) for record in records]
        for ticket in tickets:
            self._open.setdefault(ticket.record.topic_partition, deque()).append(ticket)
            self._bytes += len(ticket.record.value or b"")
        return tickets

    def done(self) -> dict[TopicPartition, int]:
        """The next offset to read of each partition that has one to commit."""
        for partition, tickets in self._open.items():
            while tickets and tickets[0].done:
                record = tickets.popleft().record
                self._bytes -= len(record.value or b"")
                self._next[partition] = record.offset + 1
        return dict(self._next)

    def committed(self, offsets: dict[TopicPartition, int]) -> None:
        for partition, offset in offsets.items():
            if self._next.get(partition) == offset:
                del self._next[partition]

    def abandon(self, partitions: Collection[TopicPartition] | None = None) -> None:
        """What is in flight of them (``None``: of all) need not be worked on any more."""
        for partition in self._open if partitions is None else partitions:
            for ticket in self._open.get(partition, ()):
                ticket.abandoned = True

    def forget(self, partitions: Collection[TopicPartition] | None = None) -> None:
        """Abandon, and commit nothing of it any more."""
        self.abandon(partitions)
        for partition in list(self._open) if partitions is None else partitions:
            for ticket in self._open.pop(partition, ()):
                self._bytes -= len(ticket.record.value or b"")
            self._next.pop(partition, None)
