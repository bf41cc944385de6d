"""The EventStreams wire protocol, as bytes: frames, ids, ``since``. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeGuard

from shared.domain import epoch_milliseconds

OK_COMMENT = b":ok\n\n"
LATEST = -1
_LINE_BREAKS = re.compile(rb"[\r\n]+")


class BadRequest(ValueError):
    """The client's ``since`` or ``Last-Event-ID`` cannot be understood."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where to read one topic-partition on: by offset, or by Kafka timestamp in ms."""

    topic: str
    partition: int
    offset: int | None = None
    timestamp: int | None = None

    def as_json(self) -> dict[str, str | int]:
        entry: dict[str, str | int] = {"topic": self.topic, "partition": self.partition}
        if self.timestamp is not None:
            entry["timestamp"] = self.timestamp
        else:
            entry["offset"] = LATEST if self.offset is None else self.offset
        return entry


def sse_frame(positions: Iterable[Position], data: bytes) -> bytes:
    """One event; a line break inside ``data`` starts another ``data:`` line, as in KafkaSSE."""
    entries = [position.as_json() for position in positions]
    event_id = json.dumps(entries, separators=(",", ":")).encode()
    lines = b"".join(b"data: %b\n" % line for line in _LINE_BREAKS.split(data))
    return b"event: message\nid: %b\n%b\n" % (event_id, lines)


def json_line(data: bytes) -> bytes:
    """One event for a client that asked for ``application/json``: no id."""
    return data + b"\n"


def parse_since(text: str) -> int:
    """Milliseconds since the epoch, from such a number or a date in ISO 8601 or RFC 2822 form.

    :raises BadRequest: neither.
    """
    if re.fullmatch(r"\d{1,15}", text):
        return int(text)
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(text)
        except (ValueError, OverflowError):
            continue
        return epoch_milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    raise BadRequest(f"since={text!r} is neither a timestamp in milliseconds nor a date")


def parse_last_event_id(text: str) -> list[Position]:
    """:raises BadRequest: not the array that this server sends as ``id``."""
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"Last-Event-ID is not JSON: {error}") from None
    if not isinstance(entries, list) or not entries:
        raise BadRequest("Last-Event-ID is not an array of topic, partition and offset or timestamp")
    positions = [_parse_position(entry) for entry in entries]
    if any(position.offset is None for position in positions):
        # KafkaSSE's quirk: where one entry needs its timestamp resolved, one that carries both is lost.
        positions = [p for p in positions if p.offset is None or p.timestamp is None]
    return positions


def _parse_position(entry: object) -> Position:
    if not isinstance(entry, dict):
        raise BadRequest(f"Last-Event-ID entry {entry!r} is not an object")
    topic, partition = entry.get("topic"), entry.get("partition")
    offset, timestamp = entry.get("offset"), entry.get("timestamp")
    if not isinstance(topic, str) or not _is_integer(partition):
        raise BadRequest(f"Last-Event-ID entry {entry!r} lacks a topic or a partition")
    if offset is None and timestamp is None:
        raise BadRequest(f"Last-Event-ID entry {entry!r} has neither offset nor timestamp")
    if not all(value is None or _is_integer(value) for value in (offset, timestamp)):
        raise BadRequest(f"Last-Event-ID entry {entry!r}: offset and timestamp are integers")
    return Position(topic, partition, offset, timestamp)


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
