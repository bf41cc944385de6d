from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition

from shared.errors import BrokerUnavailable
from shared.messaging.topic_reader import ReadProgress, TopicReader
from tests.support.scripted_message import ScriptedMessage


@dataclass
class Time:
    seconds: float = 0.0

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class ScriptedClient:
    """Of two records; each poll without a message takes its whole timeout."""

    time: Time
    script: list[ScriptedMessage | None]
    paused: list[TopicPartition] = field(default_factory=list)

    def poll(self, timeout: float) -> ScriptedMessage | None:
        message = self.script.pop(0)
        if message is None:
            self.time.seconds += timeout
        return message

    def consume(self, count: int, timeout: float) -> list[ScriptedMessage]:
        del count, timeout
        return []

    def get_watermark_offsets(self, partition: TopicPartition, *, cached: bool) -> tuple[int, int]:
        del partition, cached
        return 0, 2

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused += partitions


def reader_of(client: Any) -> TopicReader:
    return TopicReader(client, "documents", {0: 0})


def read(progress: ReadProgress, offsets: list[int], high: int, partition: int = 0) -> list[int]:
    """Those of ``offsets`` that were asked for."""
    progress.begin(partition, offsets[0], high)
    return [offset for offset in offsets if progress.take(partition, offset)]


def test_the_last_record_ends_a_partition() -> None:
    progress = ReadProgress({0: 0})
    assert read(progress, [0, 1, 2], high=3) == [0, 1, 2]
    assert progress.finished
    assert (progress.done, progress.total) == (3, 3)


def test_gaps_before_the_end_need_the_event_of_the_broker() -> None:
    """Compaction and transactions leave offsets without a record."""
    progress = ReadProgress({0: 0})
    assert read(progress, [4, 7], high=10) == [4, 7]
    assert not progress.finished
    assert (progress.done, progress.total) == (4, 6)
    progress.end_reached(0)
    assert progress.finished
    assert (progress.done, progress.total) == (6, 6)


def test_what_is_written_meanwhile_is_left_out() -> None:
    progress = ReadProgress({0: 0})
    assert read(progress, [0, 1, 2, 3], high=2) == [0, 1]
    assert (progress.done, progress.total) == (2, 2)


def test_an_empty_partition_ends_too() -> None:
    progress = ReadProgress({0: 0, 1: 0})
    assert read(progress, [0], high=1) == [0]
    assert not progress.finished
    progress.end_reached(1)
    assert progress.finished
    assert (progress.done, progress.total) == (1, 1)


def test_a_start_beyond_the_end_yields_nothing() -> None:
    """The client goes back to the beginning then."""
    progress = ReadProgress({0: 50})
    assert read(progress, [0, 1], high=2) == []
    assert progress.finished


def test_a_stale_watermark_does_not_hide_the_record_that_came() -> None:
    progress = ReadProgress({0: 0})
    assert read(progress, [5], high=1) == [5]
    assert (progress.done, progress.total) == (1, 1)


def test_no_partition_is_finished_at_once() -> None:
    assert ReadProgress({}).finished


def test_the_time_that_the_caller_takes_is_not_the_brokers(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Time()
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    client = ScriptedClient(clock, [ScriptedMessage(0), None, ScriptedMessage(1)])
    read_so_far: list[int] = []
    for batch in reader_of(client).batches(patience=15.0):
        read_so_far += [record.offset for record in batch]
        clock.seconds += 60.0
    assert read_so_far == [0, 1]


@pytest.mark.parametrize("answer", [None, ScriptedMessage(0, KafkaError(KafkaError._TRANSPORT))])
def test_a_broker_that_is_silent_or_only_complains_is_given_up(
    monkeypatch: pytest.MonkeyPatch, answer: ScriptedMessage | None
) -> None:
    clock = Time()
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    client = ScriptedClient(clock, [ScriptedMessage(0), *[answer, None] * 1_000])
    with pytest.raises(BrokerUnavailable, match="'documents' cannot be read to its end"):
        list(reader_of(client).batches(patience=15.0))
    assert 15.0 < clock.seconds < 16.0
