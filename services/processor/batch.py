"""Records → the work that they ask for. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.errors import InvalidEvent, InvalidReason
from shared.events import DocumentEvent, Operation, decode_event
from shared.ports import EmbeddedDocument, Record


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that can never be processed, and why."""

    record: Record
    reason: InvalidReason
    detail: str


@dataclass(slots=True)
class Batch:
    """What is left to do. The pipeline empties it step by step, so after a failure it can go on where it
    stopped, and nothing is counted twice.

    Of several events of one document only the newest version is in here: the others could not change
    what the store ends with. They are in ``duplicates`` (equal version) and ``stale`` (lower).
    """

    upserts: list[DocumentEvent] = field(default_factory=list)
    deletes: list[DocumentEvent] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)
    duplicates: int = 0
    stale: int = 0
    embedded: list[EmbeddedDocument] = field(default_factory=list)
    """Of the first of ``upserts``, ready to be written."""


def plan(records: Iterable[Record], max_event_bytes: int) -> Batch:
    batch = Batch()
    newest: dict[str, DocumentEvent] = {}
    for record in records:
        try:
            event = _decode(record.value, max_event_bytes)
        except InvalidEvent as error:
            batch.poison.append(Poison(record, error.reason, error.detail))
            continue
        document = event.document
        known = newest.get(document.document_id)
        if known is None:
            newest[document.document_id] = event
        elif document.version == known.document.version:
            batch.duplicates += 1
        else:
            batch.stale += 1
            if document.version > known.document.version:
                newest[document.document_id] = event
    for event in newest.values():
        (batch.upserts if event.op is Operation.UPSERT else batch.deletes).append(event)
    return batch


def _decode(value: bytes | None, max_event_bytes: int) -> DocumentEvent:
    if value is not None and len(value) > max_event_bytes:
        raise InvalidEvent(
            InvalidReason.TOO_LARGE, f"{len(value)} bytes, at most {max_event_bytes} (MAX_EVENT_BYTES)"
        )
    return decode_event(value)
