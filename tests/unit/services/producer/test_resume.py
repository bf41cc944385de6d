from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.producer.resume import Position, by_time, is_event_id, rewind_event_id, rewound

REWIND = timedelta(seconds=5)


def entry(topic: str, **place: int) -> dict[str, object]:
    return {"topic": topic, "partition": 0, **place}


def rewritten(*entries: dict[str, object]) -> list[dict[str, object]]:
    result: list[dict[str, object]] = json.loads(rewind_event_id(json.dumps(entries), REWIND))
    return result


def test_the_idle_data_centre_resumes_at_the_same_time_and_not_at_the_end() -> None:
    assert rewritten(entry("eqiad.x", timestamp=1_756_449_917_002), entry("codfw.x", offset=-1)) == [
        entry("eqiad.x", timestamp=1_756_449_912_002),
        entry("codfw.x", timestamp=1_756_449_912_002),
    ]


def test_the_idle_one_may_stand_first() -> None:
    assert rewritten(entry("eqiad.x", offset=-1), entry("codfw.x", timestamp=9_000)) == [
        entry("eqiad.x", timestamp=4_000),
        entry("codfw.x", timestamp=4_000),
    ]


def test_a_topic_that_fell_silent_long_ago_does_not_take_the_busy_one_back() -> None:
    assert rewritten(
        entry("old", timestamp=10_000), entry("busy", timestamp=900_000), entry("unread", offset=-1)
    ) == [
        entry("old", timestamp=5_000),
        entry("busy", timestamp=895_000),
        entry("unread", timestamp=5_000),
    ]


def test_no_entry_keeps_offset_and_timestamp_together() -> None:
    assert rewritten(entry("a", timestamp=10_000, offset=7)) == [entry("a", timestamp=5_000)]


def test_offsets_alone_stay() -> None:
    event_id = json.dumps([entry("a", offset=7)])
    assert rewind_event_id(event_id, REWIND) == event_id


def test_never_before_the_epoch() -> None:
    assert rewritten(entry("a", timestamp=3)) == [entry("a", timestamp=0)]


def test_a_time_is_not_rewound() -> None:
    assert rewound(Position(1000), REWIND) == Position(1000)


@pytest.mark.parametrize(
    "text",
    ["", "17", "{}", "[]", "[1]", "null", '[{"topic":"a"}]', '[{"topic":"a","partition":0}]',
     '[{"topic":1,"partition":0,"timestamp":1}]', '[{"topic":"a","partition":0,"timestamp":"1"}]',
     '[{"topic":"a","partition":true,"timestamp":1}]', "[" * 100_000],
)  # fmt: skip
def test_what_is_no_id(text: str) -> None:
    assert not is_event_id(text)
    with pytest.raises(ValueError, match="not"):
        rewind_event_id(text, REWIND)


@given(
    st.lists(
        st.one_of(st.integers(0, 2**45), st.none()), min_size=1, max_size=6
    ).filter(lambda times: any(time is not None for time in times)),
    st.integers(0, 600_000),
)  # fmt: skip
def test_every_topic_gets_a_time_and_none_goes_forward(times: list[int | None], milliseconds: int) -> None:
    entries = [
        entry(f"t{n}", offset=-1) if time is None else entry(f"t{n}", timestamp=time)
        for n, time in enumerate(times)
    ]
    result = json.loads(rewind_event_id(json.dumps(entries), timedelta(milliseconds=milliseconds)))
    earliest = min(time for time in times if time is not None)
    assert [item["topic"] for item in result] == [item["topic"] for item in entries]
    for item, time in zip(result, times, strict=True):
        assert item["timestamp"] == max(0, (earliest if time is None else time) - milliseconds)
        assert "offset" not in item


@pytest.mark.parametrize(
    ("entries", "since_ms"),
    [
        ([entry("a", timestamp=20_000), entry("b", timestamp=10_000), entry("c", offset=-1)], 5_000),
        ([entry("a", offset=7)], 1_000),
    ],
)
def test_a_position_that_the_server_does_not_know_becomes_a_time(
    entries: list[dict[str, object]], since_ms: int
) -> None:
    assert by_time(Position(1_000, json.dumps(entries)), REWIND) == Position(since_ms)
