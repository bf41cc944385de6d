"""Filters as requests write them → ``SearchFilter``. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.domain import SearchFilter, truncate_to_milliseconds
from shared.events import parse_time

_DURATION = re.compile(r"([0-9]{1,9})(s|m|h|d)")
_UNIT = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_MAX_VALUES = 100

TimeBound = datetime | timedelta
"""A moment, or a distance back from now."""


def parse_time_bound(text: str) -> TimeBound:
    """RFC 3339 (``2026-11-22T09:30:00Z``) or a duration back from now (``30s``, ``15m``, ``1h``, ``2d``).

    :raises ValueError: neither.
    """
    duration = _DURATION.fullmatch(text)
    if duration is not None:
        return timedelta(**{_UNIT[duration[2]]: int(duration[1])})
    try:
        return parse_time(text)
    except ValueError:
        raise ValueError(
            "neither an RFC 3339 time with an offset (2026-11-22T09:30:00Z) "
            "nor a duration back from now (30s, 15m, 1h, 2d)"
        ) from None


def _check_time_bound(text: str) -> str:
    parse_time_bound(text)
    return text


_TimeBoundText = Annotated[
    str, AfterValidator(_check_time_bound), Field(max_length=64, examples=["1h", "2026-11-22T09:30:00Z"])
]


class Filters(BaseModel):
    """Empty lists and absent fields leave that dimension open; ``since`` and ``until`` are inclusive."""

    model_config = ConfigDict(extra="forbid", strict=True)

    wikis: list[str] = Field(default=[], max_length=_MAX_VALUES, examples=[["enwiki"]])
    namespaces: list[int] = Field(default=[], max_length=_MAX_VALUES, examples=[[0]])
    sources: list[str] = Field(default=[], max_length=_MAX_VALUES, examples=[["wikimedia"]])
    exclude_bots: bool = False
    since: _TimeBoundText | None = None
    until: _TimeBoundText | None = None

    def to_search_filter(self, now: datetime) -> SearchFilter:
        """:raises ValueError: ``since`` is later than ``until``."""
        since, until = _moment(self.since, now), _moment(self.until, now)
        if since is not None and until is not None and since > until:
            raise ValueError("since is later than until: nothing could match")
        return SearchFilter(
            wikis=frozenset(self.wikis),
            namespaces=frozenset(self.namespaces),
            sources=frozenset(self.sources),
            exclude_bots=self.exclude_bots,
            since=since,
            until=until,
        )


def _moment(text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    bound = parse_time_bound(text)
    if isinstance(bound, datetime):
        return bound
    earliest = datetime.min.replace(tzinfo=now.tzinfo)
    return truncate_to_milliseconds(now - min(bound, now - earliest))
