from __future__ import annotations

import pytest

from services.processor.reading import read
from shared.errors import InvalidReason
from shared.events import Operation
from tests.unit.services.processor.support import a_ticket, an_event

LIMIT = 1_000


def test_the_newest_version_of_each_document_is_left() -> None:
    events = [
        an_event("a", 1),
        an_event("a", 3),
        an_event("a", 2),
        an_event("a", 3),
        an_event("b", 1),
        an_event("b", 2, op=Operation.DELETE),
    ]
    tickets = [a_ticket(event) for event in events]
    reading = read(tickets, LIMIT)
    assert reading.events == {"a": (tickets[1], events[1]), "b": (tickets[5], events[5])}
    assert reading.stale == [tickets[0], tickets[2], tickets[4]]
    assert reading.duplicates == [tickets[3]]
    assert reading.poison == []


def test_of_equal_versions_the_first_counts() -> None:
    tickets = [a_ticket(an_event("a", 2, op=Operation.DELETE)), a_ticket(an_event("a", 2))]
    reading = read(tickets, LIMIT)
    assert reading.events["a"][0] is tickets[0]
    assert reading.duplicates == [tickets[1]]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, InvalidReason.MISSING_FIELD),
        (b"{", InvalidReason.MALFORMED_JSON),
        (b"\xff", InvalidReason.INVALID_UTF8),
        (b"x" * (LIMIT + 1), InvalidReason.TOO_LARGE),
    ],
)
def test_poison_is_set_apart_and_the_rest_goes_on(value: bytes | None, reason: InvalidReason) -> None:
    good = an_event("a", 1)
    reading = read([a_ticket(value, 0), a_ticket(good, 1)], LIMIT)
    [poison] = reading.poison
    assert (poison.record.offset, poison.reason) == (0, reason)
    assert [event for _, event in reading.events.values()] == [good]


def test_an_event_of_exactly_the_limit_is_taken() -> None:
    ticket = a_ticket(an_event("a", 1))
    assert ticket.record.value is not None
    size = len(ticket.record.value)
    assert read([ticket], size).poison == []
    assert read([ticket], size - 1).poison[0].reason is InvalidReason.TOO_LARGE
