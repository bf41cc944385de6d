from __future__ import annotations

import json
import threading
from datetime import UTC, datetime

import pytest

from services.processor.commands.dead_letters import Place, dead_letter
from services.processor.commands.dlq_list import Wanted, as_json, as_table, list_letters
from services.processor.commands.dlq_show import NoSuchLetter, described, find_letter
from services.processor.commands.stopping import Stopped
from shared.messaging.memory_broker import MemoryBroker
from tests.support.memory_topic import MemoryTopic
from tests.unit.services.processor.commands.letters import DLQ, a_letter, an_outgoing_letter, letter_headers

STOP = threading.Event()


@pytest.fixture
def broker() -> MemoryBroker:
    broker = MemoryBroker()
    reasons = ("malformed_json", "missing_field", "malformed_json", "too_large", "malformed_json")
    for number, reason in enumerate(reasons):
        failed_at = f"2026-11-22T0{number}:00:00.000Z"
        broker.append(an_outgoing_letter(b"{", f"test:{number}", reason=reason, failed_at=failed_at))
    return broker


def topic(broker: MemoryBroker) -> MemoryTopic:
    return MemoryTopic(broker, DLQ)


def keys(broker: MemoryBroker, wanted: Wanted) -> list[bytes | None]:
    return [letter.key for letter in list_letters(topic(broker), wanted, STOP).letters]


class TestList:
    def test_the_newest_come_last_and_all_are_counted(self, broker: MemoryBroker) -> None:
        listing = list_letters(topic(broker), Wanted(limit=2), STOP)
        assert [letter.key for letter in listing.letters] == [b"test:3", b"test:4"]
        assert dict(listing.counts) == {"malformed_json": 3, "missing_field": 1, "too_large": 1}

    def test_letters_are_chosen_by_reason_and_age(self, broker: MemoryBroker) -> None:
        assert keys(broker, Wanted(reason="malformed_json")) == [b"test:0", b"test:2", b"test:4"]
        assert keys(broker, Wanted(since=datetime(2026, 11, 22, 3, tzinfo=UTC))) == [b"test:3", b"test:4"]

    def test_the_table_ends_with_the_counts(self, broker: MemoryBroker) -> None:
        lines = as_table(list_letters(topic(broker), Wanted(limit=1), STOP), None)
        assert lines[0].split() == ["place", "when", "reason", "origin", "key", "bytes", "detail"]
        assert "2026-11-22T04:00:00.000Z  malformed_json  documents/1@5  test:4  1      Expecting" in lines[1]
        assert lines[2:] == [
            "",
            "3 malformed_json, 1 missing_field, 1 too_large (the newest 1 are shown; --limit shows more)",
        ]

    def test_a_line_fits_the_terminal_and_cannot_control_it(self) -> None:
        broker = MemoryBroker()
        evil = "\x1b]0;owned\x07" + "x" * 300
        broker.append(an_outgoing_letter(b"{", evil, reason=evil, origin=evil, detail=evil))
        listing = list_letters(topic(broker), Wanted(), STOP)
        assert all(len(line) <= 100 for line in as_table(listing, 100)[:-1])
        assert not any(character in line for line in as_table(listing, None) for character in "\x1b\x07")

    def test_no_letters_are_a_line(self) -> None:
        assert as_table(list_letters(topic(MemoryBroker()), Wanted(), STOP), 80) == ["No dead letters."]

    def test_json_has_everything(self, broker: MemoryBroker) -> None:
        found = json.loads(as_json(list_letters(topic(broker), Wanted(reason="too_large"), STOP)))
        assert found["counts"] == {"too_large": 1}
        [letter] = found["letters"]
        assert letter["key"] == "test:3"
        assert letter["failed_at"] == "2026-11-22T03:00:00.000Z"
        assert letter["can_redrive"] is True
        assert "@" in letter["place"]

    def test_a_signal_ends_it(self, broker: MemoryBroker) -> None:
        stop = threading.Event()
        stop.set()
        with pytest.raises(Stopped):
            list_letters(topic(broker), Wanted(), stop)


class TestShow:
    def test_the_letter_at_a_place_is_found(self, broker: MemoryBroker) -> None:
        record = broker.records(DLQ)[-1]
        assert find_letter(topic(broker), dead_letter(record).place, STOP) == record

    def test_a_place_without_a_letter_is_named(self, broker: MemoryBroker) -> None:
        with pytest.raises(NoSuchLetter, match=r"no dead letter at 2@999: .*dlq list"):
            find_letter(topic(broker), Place(2, 999), STOP)

    def test_all_headers_are_shown(self) -> None:
        lines = list(described(a_letter(headers=(("traceparent", b"00-x"), *letter_headers()))))
        assert "place      3@17" in lines
        for header in ("traceparent: 00-x", "dlq.reason: malformed_json", "dlq.origin: documents/1@5"):
            assert f"  {header}" in lines

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (
                b'{"a":{"b":"\\u001b[31m \xc3\xa9"}}',
                ["{", '  "a": {', r'    "b": "\u001b[31m é"', "  }", "}"],
            ),
            (b'{"a": "\xc2\x9b31m"}', ["{", r'  "a": "\x9b31m"', "}"]),
            (b'{"a": \x1b[0m\nno\tJSON', [r'{"a": \x1b[0m', "no\tJSON"]),
            (
                b"\xff\x00ABC" + bytes(range(11)) + b"\x1b",
                [
                    "00000000  ff 00 41 42 43 00 01 02 03 04 05 06 07 08 09 0a  ..ABC...........",
                    "00000010  1b                                               .",
                ],
            ),
            (b"[" * 100_000, ["[" * 100_000]),
        ],
    )
    def test_a_value_is_readable_and_harmless(self, value: bytes, expected: list[str]) -> None:
        lines = list(described(a_letter(value)))
        assert lines[lines.index("") + 1 :] == expected

    def test_a_long_binary_value_is_cut(self) -> None:
        assert list(described(a_letter(b"\xff" * 10_000)))[-1] == (
            "... 5,904 more bytes; --raw writes all of them"
        )

    def test_a_letter_without_a_value_says_so(self) -> None:
        assert list(described(a_letter(None)))[-1] == "value      none: only the origin was kept"
