"""Raw event → document changes, or the reason why there are none. No I/O."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from services.producer.changes import Change, DropReason, Rules
from services.producer.fields import Fields
from services.producer.page_change import normalize_page_change
from services.producer.recent_change import HighestRevisions, normalize_recent_change
from shared.errors import InvalidEvent, InvalidReason
from shared.events import decode_json_object

MAX_EVENT_BYTES = 1_048_576
"""A real event has 1 to 6 kB; what is larger than this is not one."""

_PAGE_CHANGE = re.compile(r"/mediawiki/page/change/1\.\d+\.\d+")
_RECENT_CHANGE = re.compile(r"/mediawiki/recentchange/1\.\d+\.\d+")
_CANARY_WIKIS = ("examplewiki", "example")


def parse_event(data: bytes, max_bytes: int = MAX_EVENT_BYTES) -> dict[str, Any]:
    """:raises InvalidEvent: too large, not UTF-8, not JSON, not an object."""
    if len(data) > max_bytes:
        raise InvalidEvent(InvalidReason.TOO_LARGE, f"{len(data)} bytes, at most {max_bytes}")
    return decode_json_object(data)


def event_id_of(body: dict[str, Any]) -> str | None:
    """The id that stays the same when an event is sent again."""
    return Fields(body).optional_child("meta").optional_text("id")


def event_time_of(body: dict[str, Any]) -> datetime | None:
    """When the event left its source, where it says so."""
    try:
        return Fields(body).child("meta").time("dt")
    except InvalidEvent:
        return None


class Normalizer:
    """Used from one thread: it remembers the highest revision of each wiki."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._highest = HighestRevisions()

    def normalize(self, body: dict[str, Any]) -> tuple[Change, ...] | DropReason:
        """One change; two for a rename in a stream without page ids; or why there is none.

        :raises InvalidEvent: with the reason, if the event can never be understood.
        """
        event = Fields(body)
        if _is_canary(event):
            return DropReason.CANARY
        schema = event.text("$schema")
        if _PAGE_CHANGE.fullmatch(schema):
            return normalize_page_change(event, self._rules)
        if _RECENT_CHANGE.fullmatch(schema):
            return normalize_recent_change(event, self._rules, self._highest)
        raise InvalidEvent(InvalidReason.UNKNOWN_SCHEMA, f"$schema {schema!r}")


def _is_canary(event: Fields) -> bool:
    wiki = event.optional_text("wiki_id") or event.optional_text("wiki") or event.optional_text("database")
    return event.optional_child("meta").optional_text("domain") == "canary" or wiki in _CANARY_WIKIS
