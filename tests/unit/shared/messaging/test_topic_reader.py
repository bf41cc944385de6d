from __future__ import annotations

from shared.messaging.topic_reader import ReadProgress


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
