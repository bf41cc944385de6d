from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.processor.commands.dead_letters import (
    ONLY_ORIGIN,
    SOURCE_EVENT,
    UNKNOWN_ORIGIN,
    Place,
    dead_letter,
    parse_place,
    redriven,
)
from tests.unit.services.processor.commands.letters import a_letter, letter_headers


def test_a_letter_says_what_its_headers_say() -> None:
    letter = dead_letter(a_letter(b"{broken"))
    assert str(letter.place) == "3@17"
    assert letter.failed_at == datetime(2026, 11, 22, 9, 30, 0, 250_000, UTC)
    assert (letter.reason, letter.detail) == ("malformed_json", "Expecting value")
    assert (letter.origin, letter.key, letter.size) == ("documents/1@5", b"test:1", 7)
    assert letter.obstacle is None


@pytest.mark.parametrize(
    ("origin", "value", "obstacle"),
    [
        ("documents/1@5", b"x", None),
        ("my.topic-2/12@500", b"", None),
        ("documents/1@5", None, ONLY_ORIGIN),
        ("wikimedia:mediawiki.page_change.v1", b"x", SOURCE_EVENT),
        ("wikimedia:a/1@2", b"x", SOURCE_EVENT),
        ("", b"x", UNKNOWN_ORIGIN),
    ],
)
def test_only_whole_document_events_can_go_back(
    origin: str, value: bytes | None, obstacle: str | None
) -> None:
    assert dead_letter(a_letter(value, headers=letter_headers(origin=origin))).obstacle == obstacle


def test_a_record_that_no_one_of_us_wrote_is_listed_too() -> None:
    letter = dead_letter(a_letter(headers=()))
    assert (letter.reason, letter.obstacle) == ("unknown", UNKNOWN_ORIGIN)
    assert letter.failed_at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)


def test_a_redriven_record_is_the_original_and_names_its_place() -> None:
    headers = (("traceparent", b"00-x"), *letter_headers(), ("dlq.redriven", b"documents.dlq/0@1"))
    record = redriven(a_letter(b"value", headers=headers), "documents")
    assert (record.topic, record.key, record.value) == ("documents", b"test:1", b"value")
    assert record.headers == (("traceparent", b"00-x"), ("dlq.redriven", b"documents.dlq/3@17"))


@pytest.mark.parametrize("text", ["3@17", "documents.dlq/3@17"])
def test_a_place_can_be_pasted(text: str) -> None:
    assert parse_place(text) == Place(3, 17)


@pytest.mark.parametrize(
    "text", ["", "17", "3@", "@17", "-1@4", "3@x", "3@17@2", "a/b/3@17", "3@1" + "0" * 40]
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 3@17"):
        parse_place(text)
