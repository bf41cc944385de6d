"""What stands in the dead letter topic. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from shared.domain import from_epoch_milliseconds
from shared.events import parse_time
from shared.ports import OutgoingRecord, Record

PREFIX = "dlq."
_PLACE = re.compile(r"(?:[^/\s]+/)?(\d{1,9})@(\d{1,18})")
_ORIGIN_OF_A_DOCUMENT_EVENT = re.compile(r"[^:]+/\d+@\d+")


class Place(NamedTuple):
    """Where in the dead letter topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}@{self.offset}"


def parse_place(text: str) -> Place:
    """``3@17``, or ``documents.dlq/3@17``.

    :raises ValueError: neither.
    """
    match = _PLACE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no place; a partition and an offset such as 3@17 are needed")
    return Place(int(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A letter without its value. Strings are as they were found: not yet fit for a terminal."""

    place: Place
    failed_at: datetime
    reason: str
    detail: str
    origin: str
    key: bytes | None
    size: int
    """Bytes of the value."""
    obstacle: str | None
    """Why it cannot be sent back; ``None`` where it can."""


ONLY_ORIGIN = "only their origin was kept: too large, or without a value"
SOURCE_EVENT = "raw events of the source, not document events: the producer reads them again (SOURCE_SINCE)"
UNKNOWN_ORIGIN = "without the headers of a dead letter"


def dead_letter(record: Record) -> DeadLetter:
    headers = {name: value.decode(errors="backslashreplace") for name, value in record.headers}
    origin = headers.get(f"{PREFIX}origin", "")
    return DeadLetter(
        place=Place(record.partition, record.offset),
        failed_at=_failed_at(headers.get(f"{PREFIX}failed_at", ""), record),
        reason=headers.get(f"{PREFIX}reason", "unknown"),
        detail=headers.get(f"{PREFIX}detail", ""),
        origin=origin,
        key=record.key,
        size=len(record.value or b""),
        obstacle=_obstacle(origin, record.value),
    )


def redriven(record: Record, topic: str) -> OutgoingRecord:
    """The original record, and where it has lain since."""
    place = f"{record.topic}/{Place(record.partition, record.offset)}"
    original = (header for header in record.headers if not header[0].startswith(PREFIX))
    return OutgoingRecord(topic, record.key, record.value, (*original, (f"{PREFIX}redriven", place.encode())))


def _obstacle(origin: str, value: bytes | None) -> str | None:
    if not origin:
        return UNKNOWN_ORIGIN
    if not _ORIGIN_OF_A_DOCUMENT_EVENT.fullmatch(origin):
        return SOURCE_EVENT
    return ONLY_ORIGIN if value is None else None


def _failed_at(text: str, record: Record) -> datetime:
    try:
        return parse_time(text)
    except ValueError:
        return from_epoch_milliseconds(record.timestamp_ms)
