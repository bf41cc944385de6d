"""Offsets, times and what is forgotten."""

from __future__ import annotations

import json

from services.replay.event_log import PAGE_CHANGE, RECENT_CHANGE, EventLog, topics_of

PAGE_TOPIC, IDLE_TOPIC = topics_of(PAGE_CHANGE)
RECENT_TOPIC, _ = topics_of(RECENT_CHANGE)


def filled(*timestamps: int, max_bytes: int = 1_000_000) -> EventLog:
    log = EventLog(first_offset=100, max_bytes_per_topic=max_bytes)
    for timestamp in timestamps:
        log.append_raw(PAGE_CHANGE, timestamp, b"x" * 10)
    return log


def test_a_time_maps_to_the_earliest_offset_not_before_it() -> None:
    log = filled(10, 20, 20, 30)
    assert [log.offset_for_time(PAGE_TOPIC, time) for time in (0, 10, 11, 20, 21, 31)] == [
        100, 100, 101, 101, 103, 104,
    ]  # fmt: skip


def test_times_that_run_backward_do_not_hide_an_earlier_offset() -> None:
    log = filled(10, 40, 20, 25, 50)
    assert log.offset_for_time(PAGE_TOPIC, 30) == 101
    assert log.offset_for_time(PAGE_TOPIC, 45) == 104


def test_records_of_two_topics_come_in_the_order_of_their_sending() -> None:
    log = EventLog(first_offset=0, max_bytes_per_topic=1000)
    for number, stream in enumerate((PAGE_CHANGE, RECENT_CHANGE, RECENT_CHANGE, PAGE_CHANGE)):
        log.append_raw(stream, 50, str(number).encode())
    offsets = {PAGE_TOPIC: 0, RECENT_TOPIC: 0}
    read = []
    while (record := log.next_record(offsets)) is not None:
        read.append(record.data)
        offsets[record.topic] += 1
    assert read == [b"0", b"1", b"2", b"3"]
    assert log.newest_record({PAGE_TOPIC, RECENT_TOPIC}) == log.next_record({PAGE_TOPIC: 1})


def test_the_oldest_are_forgotten_and_a_reader_goes_on_with_what_is_kept() -> None:
    log = filled(*range(1000), max_bytes=500)
    record = log.next_record({PAGE_TOPIC: 0})
    assert record is not None
    assert log.end_offset(PAGE_TOPIC) == 1100
    assert 1050 <= record.offset <= 1070
    assert record.timestamp == record.offset - 100
    assert log.offset_for_time(PAGE_TOPIC, record.timestamp + 3) == record.offset + 3


def test_one_event_larger_than_the_bound_is_still_kept() -> None:
    log = EventLog(first_offset=0, max_bytes_per_topic=10)
    log.append_raw(PAGE_CHANGE, 1, b"y" * 5_000_000)
    record = log.next_record({PAGE_TOPIC: 0})
    assert record is not None
    assert len(record.data) == 5_000_000


def test_the_server_adds_where_an_event_stands() -> None:
    log = EventLog(first_offset=7, max_bytes_per_topic=1000)
    event = {"wiki_id": "w", "page": {"page_id": 3}, "meta": {"id": "é"}}
    data = json.loads(log.append_event(PAGE_CHANGE, 1, event).data)
    assert data["meta"] == {
        "id": "é", "topic": PAGE_TOPIC, "partition": 0, "offset": 7, "key": {"wiki_id": "w", "page_id": 3},
    }  # fmt: skip
    assert log.next_record({IDLE_TOPIC: 7}) is None
