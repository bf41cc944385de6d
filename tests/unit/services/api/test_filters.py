from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from services.api.filters import Filters, parse_time_bound
from shared.domain import SearchFilter
from tests.unit.services.api.conftest import NOW


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("1h", timedelta(hours=1)),
        ("2d", timedelta(days=2)),
        ("2026-11-22T09:30:00Z", datetime(2026, 11, 22, 9, 30, tzinfo=UTC)),
        ("2026-11-22T10:30:00.1239+01:00", datetime(2026, 11, 22, 9, 30, 0, 123_000, tzinfo=UTC)),
    ],
)
def test_times_and_durations(text: str, expected: object) -> None:
    assert parse_time_bound(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "h", "1w", "-1h", "1.5h", "1h30m", "yesterday", "٣h", "1234567890d"),
        *("2026-11-22", "2026-11-22T09:30:00"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        parse_time_bound(text)


def test_no_filters_leave_everything_open() -> None:
    assert Filters().to_search_filter(NOW) == SearchFilter()


def test_every_filter_arrives() -> None:
    filters = Filters(
        wikis=["enwiki", "dewiki"],
        namespaces=[0, 4],
        sources=["api"],
        exclude_bots=True,
        since="1h",
        until="2026-11-22T09:30:00Z",
    )
    assert filters.to_search_filter(NOW) == SearchFilter(
        wikis=frozenset({"enwiki", "dewiki"}),
        namespaces=frozenset({0, 4}),
        sources=frozenset({"api"}),
        exclude_bots=True,
        since=NOW - timedelta(hours=1),
        until=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
    )


def test_since_after_until_is_refused_and_equal_is_not() -> None:
    with pytest.raises(ValueError, match="since is later than until"):
        Filters(since="1h", until="2h").to_search_filter(NOW)
    moment = "2026-11-22T09:30:00Z"
    assert Filters(since=moment, until=moment).to_search_filter(NOW).since is not None


def test_a_duration_longer_than_time_itself_means_from_the_beginning() -> None:
    assert Filters(since="999999999d").to_search_filter(NOW).since == datetime.min.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong",
    [
        {"namespaces": ["0"]},
        {"namespaces": [True]},
        {"exclude_bots": "yes"},
        {"wikis": "enwiki"},
        {"wiki": ["enwiki"]},
        {"since": 5},
        {"wikis": ["w"] * 101},
    ],
)
def test_wrong_types_and_unknown_fields_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Filters.model_validate(wrong)
