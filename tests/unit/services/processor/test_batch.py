from __future__ import annotations

import pytest

from services.processor.batch import plan
from shared.errors import InvalidReason
from shared.events import Operation
from tests.unit.services.processor.support import a_record, an_event

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
    batch = plan([a_record(event) for event in events], LIMIT)
    assert batch.upserts == [events[1]]
    assert batch.deletes == [events[5]]
    assert (batch.stale, batch.duplicates) == (3, 1)
    assert batch.poison == []


def test_of_equal_versions_the_first_counts() -> None:
    delete, upsert = an_event("a", 2, op=Operation.DELETE), an_event("a", 2)
    batch = plan([a_record(delete), a_record(upsert)], LIMIT)
    assert (batch.deletes, batch.upserts, batch.duplicates) == ([delete], [], 1)


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
    batch = plan([a_record(value, 0), a_record(good, 1)], LIMIT)
    [poison] = batch.poison
    assert (poison.record.offset, poison.reason) == (0, reason)
    assert batch.upserts == [good]


def test_an_event_of_exactly_the_limit_is_taken() -> None:
    record = a_record(an_event("a", 1))
    assert record.value is not None
    assert plan([record], len(record.value)).poison == []
    assert plan([record], len(record.value) - 1).poison[0].reason is InvalidReason.TOO_LARGE
