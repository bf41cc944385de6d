from __future__ import annotations

from services.processor.limit import DeadLetterLimit
from shared.errors import InvalidReason

BAD = InvalidReason.MALFORMED_JSON


def test_the_first_hundred_may_all_be_poison() -> None:
    limit = DeadLetterLimit(0.5)
    assert [limit.bad(BAD) for _ in range(100)] == [None] * 100
    halt = limit.bad(BAD)
    assert halt is not None
    assert (halt.dead_letters, halt.records, halt.reason) == (101, 101, BAD)


def test_up_to_the_share_is_allowed_for_ever() -> None:
    limit = DeadLetterLimit(0.5)
    for _ in range(5_000):
        limit.good(1)
        assert limit.bad(BAD) is None


def test_beyond_the_share_of_the_last_thousand_it_halts() -> None:
    limit = DeadLetterLimit(0.3)
    limit.good(10_000)
    buried = 0
    while limit.bad(BAD) is None:
        buried += 1
    assert buried == 300


def test_one_means_without_limit() -> None:
    limit = DeadLetterLimit(1.0)
    assert all(limit.bad(BAD) is None for _ in range(3_000))


def test_the_line_names_numbers_reason_setting_and_cure() -> None:
    limit = DeadLetterLimit(0.5)
    limit.bad(InvalidReason.EMPTY_TEXT)
    halt = None
    while halt is None:
        halt = limit.bad(BAD)
    line = str(halt)
    assert "\n" not in line
    for part in ("101 of the last 101", "malformed_json", "DLQ_MAX_SHARE=0.5", "restart", "dlq list"):
        assert part in line
