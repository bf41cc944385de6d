"""A topic of the memory broker, read as ``shared.messaging.topic_reader`` reads one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from shared.messaging.memory_broker import MemoryBroker
from shared.ports import Record


@dataclass
class MemoryReading:
    records: list[Record]
    batch_size: int
    done: int = 0

    @property
    def total(self) -> int:
        return len(self.records)

    def batches(self) -> Iterator[list[Record]]:
        for start in range(0, len(self.records), self.batch_size):
            batch = self.records[start : start + self.batch_size]
            self.done += len(batch)
            yield batch


@dataclass(frozen=True)
class MemoryTopic:
    broker: MemoryBroker
    name: str
    batch_size: int = 7

    @contextmanager
    def __call__(self, starts: Mapping[int, int] | None = None) -> Iterator[MemoryReading]:
        records = self.broker.records(self.name)
        if starts is not None:
            records = [
                record
                for record in records
                if record.partition in starts and record.offset >= starts[record.partition]
            ]
        yield MemoryReading(records, self.batch_size)
