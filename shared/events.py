"""The value of topic ``documents``: encode and decode document events.

Unknown fields are ignored; an unknown major schema is refused.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from shared.domain import AttributeValue, Document, truncate_to_milliseconds
from shared.errors import InvalidEvent, InvalidReason

SCHEMA = "document-event/1"
_SCHEMA_PATTERN = re.compile(r"document-event/1(\.\d+)*")


class Operation(StrEnum):
    UPSERT = "upsert"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class DocumentEvent:
    """One versioned change of one document.

    For a delete only the document's id, source and version matter. ``occurred_at`` is when the change
    happened at its source; freshness is measured from it.
    """

    op: Operation
    event_id: str
    occurred_at: datetime
    document: Document


def new_event_id() -> str:
    return str(uuid.uuid4())


def format_time(moment: datetime) -> str:
    """RFC 3339, UTC, milliseconds: ``2026-11-22T09:30:00.250Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """RFC 3339 to UTC, milliseconds.

    :raises ValueError: not a time, or without an offset.
    """
    try:
        return truncate_to_milliseconds(datetime.fromisoformat(text))
    except OverflowError as error:  # year 1 or 9999, moved out of range by its offset
        raise ValueError(str(error)) from None


def encode_event(event: DocumentEvent) -> bytes:
    document = event.document
    return json.dumps(
        {
            "schema": SCHEMA,
            "op": event.op.value,
            "event_id": event.event_id,
            "occurred_at": format_time(event.occurred_at),
            "document": {
                "document_id": document.document_id,
                "source": document.source,
                "title": document.title,
                "text": document.text,
                "url": document.url,
                "revision": document.revision,
                "updated_at": format_time(document.updated_at),
                "attributes": dict(document.attributes),
            },
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()


def decode_event(value: bytes | None) -> DocumentEvent:
    """:raises InvalidEvent: with the reason, if this can never be a document event."""
    if value is None:
        raise InvalidEvent(InvalidReason.MISSING_FIELD, "the record has no value")
    body = decode_json_object(value)
    schema = body.get("schema")
    if not isinstance(schema, str) or not _SCHEMA_PATTERN.fullmatch(schema):
        raise InvalidEvent(InvalidReason.UNKNOWN_SCHEMA, f"schema {schema!r}, expected {SCHEMA!r}")
    fields = _Fields(body, "")
    try:
        op = Operation(fields.text("op"))
    except ValueError as error:
        raise InvalidEvent(InvalidReason.INVALID_FIELD, f"op: {error}") from None
    return DocumentEvent(
        op=op,
        event_id=fields.text("event_id"),
        occurred_at=fields.time("occurred_at"),
        document=_decode_document(fields.mapping("document"), op),
    )


def decode_json_object(value: bytes) -> dict[str, Any]:
    """:raises InvalidEvent: not UTF-8, not JSON, not an object."""
    try:
        body = json.loads(value.decode())
    except UnicodeDecodeError as error:
        raise InvalidEvent(InvalidReason.INVALID_UTF8, str(error)) from None
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(InvalidReason.MALFORMED_JSON, str(error)) from None
    if not isinstance(body, dict):
        raise InvalidEvent(InvalidReason.MALFORMED_JSON, "not a JSON object")
    return body


def _decode_document(body: dict[str, Any], op: Operation) -> Document:
    fields = _Fields(body, "document.")
    upsert = op is Operation.UPSERT
    document = Document(
        document_id=fields.text("document_id"),
        source=fields.text("source"),
        title=fields.text("title", required=upsert),
        text=fields.text("text", required=False),
        url=fields.text("url", required=False),
        revision=fields.integer("revision"),
        updated_at=fields.time("updated_at"),
        attributes=_decode_attributes(body.get("attributes")),
    )
    if upsert and not document.text.strip():
        raise InvalidEvent(InvalidReason.EMPTY_TEXT, f"{document.document_id} has no text")
    return document


def _decode_attributes(value: object) -> dict[str, AttributeValue]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidEvent(InvalidReason.INVALID_FIELD, "document.attributes is not an object")
    for name, item in value.items():
        problem = _attribute_problem(name, item)
        if problem is not None:
            raise InvalidEvent(InvalidReason.INVALID_FIELD, f"document.attributes.{name} {problem}")
    return value


def _attribute_problem(name: str, item: object) -> str | None:
    if not isinstance(item, (str, int, bool)):
        return "is neither string, integer nor boolean"
    if not _is_encodable(name) or (isinstance(item, str) and not _is_encodable(item)):
        return "holds a lone surrogate"
    if isinstance(item, int) and not -(2**63) <= item < 2**63:
        return "does not fit into 64 bits"
    return None


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Fields:
    def __init__(self, body: dict[str, Any], prefix: str) -> None:
        self._body = body
        self._prefix = prefix

    def text(self, name: str, *, required: bool = True) -> str:
        value = self._body.get(name)
        if value is None and not required:
            return ""
        if value is None or (required and value == ""):
            raise self._missing(name)
        if not isinstance(value, str):
            raise self._invalid(name, "not a string")
        if not _is_encodable(value):
            raise self._invalid(name, "holds a lone surrogate")
        return value

    def integer(self, name: str) -> int:
        value = self._body.get(name)
        if value is None:
            raise self._missing(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
            raise self._invalid(name, "not an integer from 0 to 2^63-1")
        return value

    def time(self, name: str) -> datetime:
        value = self.text(name)
        try:
            return parse_time(value)
        except ValueError as error:
            raise self._invalid(name, str(error)) from None

    def mapping(self, name: str) -> dict[str, Any]:
        value = self._body.get(name)
        if value is None:
            raise self._missing(name)
        if not isinstance(value, dict):
            raise self._invalid(name, "not an object")
        return value

    def _missing(self, name: str) -> InvalidEvent:
        return InvalidEvent(InvalidReason.MISSING_FIELD, f"{self._prefix}{name} is missing")

    def _invalid(self, name: str, why: str) -> InvalidEvent:
        return InvalidEvent(InvalidReason.INVALID_FIELD, f"{self._prefix}{name}: {why}")
