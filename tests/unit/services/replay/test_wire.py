"""The bytes of the protocol."""

from __future__ import annotations

import pytest

from services.replay.wire import BadRequest, Position, parse_last_event_id, parse_since, sse_frame

POSITIONS = [
    Position("eqiad.mediawiki.recentchange", 0, timestamp=1756449917002),
    Position("codfw.mediawiki.recentchange", 0, offset=-1),
]


def test_a_frame_is_event_id_data_in_this_order_with_line_feeds_only() -> None:
    assert sse_frame(POSITIONS, b'{"a":"\xe2\x80\xa8"}') == (
        b"event: message\n"
        b'id: [{"topic":"eqiad.mediawiki.recentchange","partition":0,"timestamp":1756449917002},'
        b'{"topic":"codfw.mediawiki.recentchange","partition":0,"offset":-1}]\n'
        b'data: {"a":"\xe2\x80\xa8"}\n\n'
    )


def test_line_breaks_in_data_become_more_data_lines() -> None:
    frame = sse_frame(POSITIONS[1:], b"one\r\n\ntwo\rthree")
    assert frame.endswith(b"\ndata: one\ndata: two\ndata: three\n\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1756449917002", 1756449917002),
        ("0", 0),
        ("1970-01-02", 86_400_000),
        ("2025-08-29T06:45:16.993Z", 1756449916993),
        ("2025-08-29T08:45:16.993+02:00", 1756449916993),
        ("Fri, 29 Aug 2025 06:45:16 GMT", 1756449916000),
    ],
)
def test_since_takes_milliseconds_and_dates(text: str, expected: int) -> None:
    assert parse_since(text) == expected


@pytest.mark.parametrize(
    "text", ["yesterday", "-5", "2025-13-01", "9" * 30, "", "Mon,Jan +99999999999 10:10 99"]
)
def test_a_wrong_since_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="since"):
        parse_since(text)


def test_the_id_that_was_sent_is_understood() -> None:
    text = sse_frame(POSITIONS, b"{}").split(b"\n")[1].removeprefix(b"id: ").decode()
    assert parse_last_event_id(text) == POSITIONS


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[" * 50_000,
        "[]",
        "{}",
        "[1]",
        '[{"topic":"t","partition":0}]',
        '[{"partition":0,"offset":1}]',
        '[{"topic":"t","partition":"0","offset":1}]',
        '[{"topic":"t","partition":0,"timestamp":"yesterday"}]',
        '[{"topic":"t","partition":0,"offset":true}]',
    ],
)
def test_a_wrong_last_event_id_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="Last-Event-ID"):
        parse_last_event_id(text)


def test_an_entry_with_offset_and_timestamp_is_lost_beside_one_to_be_resolved() -> None:
    text = '[{"topic":"a","partition":0,"offset":7,"timestamp":9},{"topic":"b","partition":0,"timestamp":9}]'
    assert [position.topic for position in parse_last_event_id(text)] == ["b"]
