"""Where to go on reading the stream, and how far to step back when doing so. Pure.

The id that EventStreams publishes is lossy: its timestamp is one millisecond late and skips other
events of the same millisecond, timestamps run backwards now and then, and ``offset: -1`` (an idle data
centre) means "from the end", so a switch of data centres while we are away loses events. So every
entry is rewritten to a time a little earlier; what is read twice is recognised by its event id.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Position:
    """After the event ``last_event_id``; or, where there is none yet, from the time ``since_ms``."""

    since_ms: int
    last_event_id: str | None = None


def rewound(position: Position, rewind: timedelta) -> Position:
    """The position to ask the server for, so that nothing is skipped."""
    if position.last_event_id is None:
        return position
    return Position(position.since_ms, rewind_event_id(position.last_event_id, rewind))


def by_time(position: Position, rewind: timedelta) -> Position:
    """For a server that does not know the topics of the id: a time before which all was read."""
    if position.last_event_id is None:
        return position
    times = [entry["timestamp"] for entry in _parse(position.last_event_id) if "timestamp" in entry]
    step = round(rewind / timedelta(milliseconds=1))
    return Position(max(0, min(times) - step) if times else position.since_ms)


def is_event_id(text: str) -> bool:
    """Whether this is an EventStreams id: a JSON list that names topics and places in them."""
    try:
        _parse(text)
    except ValueError:
        return False
    return True


def rewind_event_id(event_id: str, rewind: timedelta) -> str:
    """The id with every entry moved to ``rewind`` before its time.

    An entry without a time gets the earliest one of the others. An entry keeps its own time otherwise:
    moving all to the earliest would read a topic again from the moment a quieter one fell silent. Where
    no entry has a time, the offsets stay.

    :raises ValueError: not an EventStreams id.
    """
    entries = _parse(event_id)
    times = [entry["timestamp"] for entry in entries if "timestamp" in entry]
    if not times:
        return event_id
    step = round(rewind / timedelta(milliseconds=1))
    return json.dumps(
        [
            {
                "topic": entry["topic"],
                "partition": entry["partition"],
                "timestamp": max(0, entry.get("timestamp", min(times)) - step),
            }
            for entry in entries
        ],
        separators=(",", ":"),
    )


def _parse(event_id: str) -> list[dict[str, Any]]:
    try:
        entries = json.loads(event_id)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(entries, list) or not entries or not all(_is_entry(entry) for entry in entries):
        raise ValueError("not a list of topics with a timestamp or an offset")
    return entries


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    places = [entry[name] for name in ("timestamp", "offset") if name in entry]
    return (
        isinstance(entry.get("topic"), str)
        and type(entry.get("partition")) is int
        and bool(places)
        and all(type(place) is int for place in places)
    )
