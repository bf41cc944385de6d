from __future__ import annotations

from collections.abc import Mapping

from services.processor.offsets import OffsetCommitter
from shared.errors import BrokerUnavailable
from shared.messaging.memory_broker import MemoryBroker
from shared.ports import Consumer, TopicPartition
from tests.unit.services.processor.support import FakeClock, a_record

ZERO, ONE = TopicPartition("documents", 0), TopicPartition("documents", 1)


class Committed:
    """A consumer's ``commit`` that remembers, and can fail."""

    def __init__(self) -> None:
        self.consumer: Consumer = MemoryBroker().consumer("group", ["documents"])
        self.commits: list[dict[TopicPartition, int]] = []
        self.away = False
        self.consumer.commit = self.commit  # type: ignore[method-assign]

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if self.away:
            raise BrokerUnavailable("away")
        self.commits.append(dict(offsets))


def test_it_commits_the_next_offset_once_per_interval() -> None:
    clock, committed = FakeClock(), Committed()
    offsets = OffsetCommitter(committed.consumer, clock, interval=1.0)
    offsets.done([a_record(b"", 4, 0), a_record(b"", 5, 0), a_record(b"", 9, 1)])
    clock.seconds = 1.0
    offsets.commit_if_due()
    offsets.done([a_record(b"", 6, 0)])
    offsets.commit_if_due()
    clock.seconds = 1.9
    offsets.commit_if_due()
    assert committed.commits == [{ZERO: 6, ONE: 10}]
    clock.seconds = 2.0
    offsets.commit_if_due()
    offsets.commit_if_due()
    assert committed.commits == [{ZERO: 6, ONE: 10}, {ZERO: 7}]


def test_what_is_given_up_is_committed_at_once_and_never_again() -> None:
    clock, committed = FakeClock(), Committed()
    offsets = OffsetCommitter(committed.consumer, clock, 1.0)
    offsets.done([a_record(b"", 4, 0), a_record(b"", 9, 1)])
    offsets.give_up({ZERO})
    offsets.commit()
    assert committed.commits == [{ZERO: 5}, {ONE: 10}]


def test_a_failed_commit_is_made_up_for() -> None:
    clock, committed = FakeClock(), Committed()
    offsets = OffsetCommitter(committed.consumer, clock, 1.0)
    offsets.done([a_record(b"", 4, 0)])
    committed.away = True
    offsets.commit()
    committed.away = False
    offsets.commit_if_due()
    assert committed.commits == []
    clock.seconds = 1.0
    offsets.commit_if_due()
    assert committed.commits == [{ZERO: 5}]


def test_a_failed_commit_of_what_is_given_up_is_forgotten() -> None:
    committed = Committed()
    offsets = OffsetCommitter(committed.consumer, FakeClock(), 1.0)
    offsets.done([a_record(b"", 4, 0)])
    committed.away = True
    offsets.give_up({ZERO})
    committed.away = False
    offsets.commit()
    assert committed.commits == []
