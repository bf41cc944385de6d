"""Bodies of ``/v1/documents``, and reading one or many of them from a request. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)

from services.api.error_handlers import InvalidRequest, describe_errors
from services.api.schemas import Timestamp
from shared.domain import AttributeValue, Document, StoredDocument, Version
from shared.events import parse_time

MAX_DOCUMENT_ID = 512
_MAX_REPORTED_ERRORS = 100
_FILTERED_ATTRIBUTES: Mapping[str, type] = {"wiki": str, "namespace": int, "bot": bool}
_TYPE_NAMES = {str: "a string", int: "an integer", bool: "true or false"}
_INT64 = 2**63
_CLOCK_SKEW = timedelta(minutes=5)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def check_document_id(document_id: str) -> str:
    """:raises ValueError: blank, or with control characters, which no URL carries safely."""
    if any(unicodedata.category(character) == "Cc" for character in document_id):
        raise ValueError("must not hold control characters")
    return _not_blank(document_id)


def _check_url(url: str) -> str:
    if url and not url.lower().startswith(("http://", "https://")):
        raise ValueError("must be an http or https URL")
    return url


def _parse_time(value: object) -> object:
    if value is None or isinstance(value, datetime):
        return value
    try:
        return parse_time(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("must be an RFC 3339 time with an offset, such as 2026-11-22T09:30:00Z") from None


def _check_not_in_the_future(moment: datetime | None, info: ValidationInfo) -> datetime | None:
    """A time to come would make ``as_of`` promise what has not happened yet."""
    now = info.context
    assert isinstance(now, datetime)
    if moment is not None and moment > now + _CLOCK_SKEW:
        raise ValueError("must not be in the future")
    return moment


def _check_attributes(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    for name, item in value.items():
        if not isinstance(item, (str, int, bool)):
            raise ValueError(f"{name} must be a string, an integer, true or false")
        if isinstance(item, int) and not -_INT64 <= item < _INT64:
            raise ValueError(f"{name} must fit into 64 bits")
        expected = _FILTERED_ATTRIBUTES.get(name)
        if expected is not None and type(item) is not expected:
            raise ValueError(f"{name} must be {_TYPE_NAMES[expected]}, because filters use it")
    return value


class PushedDocument(BaseModel):
    """A document to be indexed. The newest ``revision`` wins, and of equal ones the newest ``updated_at``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    document_id: Annotated[str, AfterValidator(check_document_id)] = Field(
        max_length=MAX_DOCUMENT_ID, examples=["runbook:42"]
    )
    title: Annotated[str, AfterValidator(_not_blank)] = Field(max_length=1024, examples=["Pump 3 restarted"])
    text: Annotated[str, AfterValidator(_not_blank)] = Field(examples=["Pump 3 was restarted at 09:30."])
    url: Annotated[str, AfterValidator(_check_url)] = Field(default="", max_length=2048)
    source: Annotated[str, AfterValidator(_not_blank)] = Field(default="api", max_length=64)
    revision: int | None = Field(
        default=None, ge=0, lt=_INT64, description="Default: now, in milliseconds since 1970."
    )
    updated_at: Annotated[
        datetime | None,
        BeforeValidator(_parse_time),
        AfterValidator(_check_not_in_the_future),
        WithJsonSchema({"type": "string", "format": "date-time", "description": "Default: now."}),
    ] = None
    attributes: Annotated[
        dict[str, Any],
        BeforeValidator(_check_attributes),
        WithJsonSchema(
            {
                "type": "object",
                "additionalProperties": {"type": ["string", "integer", "boolean"]},
                "description": "Filters use `wiki` (string), `namespace` (integer) and `bot` (boolean).",
                "examples": [{"wiki": "enwiki", "namespace": 0, "bot": False}],
            }
        ),
    ] = Field(default={}, max_length=64)

    def to_document(self, version: Version) -> Document:
        return Document(
            document_id=self.document_id,
            source=self.source,
            title=self.title,
            text=self.text,
            url=self.url,
            revision=version.revision,
            updated_at=version.updated_at,
            attributes=self.attributes,
        )


class AcceptedResponse(BaseModel):
    accepted: int


class DocumentResponse(BaseModel):
    document_id: str
    source: str
    title: str
    text: str
    url: str
    revision: int
    updated_at: Timestamp
    attributes: dict[str, AttributeValue]
    chunks: int
    indexed_at: Timestamp
    ingest_trace_id: str | None

    @classmethod
    def of(cls, stored: StoredDocument) -> DocumentResponse:
        document = stored.document
        return cls(
            document_id=document.document_id,
            source=document.source,
            title=document.title,
            text=document.text,
            url=document.url,
            revision=document.revision,
            updated_at=document.updated_at,
            attributes=dict(document.attributes),
            chunks=len(stored.chunks),
            indexed_at=stored.indexed_at,
            ingest_trace_id=document.ingest_trace_id,
        )


def read_document(body: bytes, now: datetime, max_bytes: int) -> list[PushedDocument]:
    """One JSON object of at most ``max_bytes``.

    :raises InvalidRequest: with every wrong field.
    """
    document, errors = _read_one(body, now, max_bytes, None)
    if document is None:
        raise InvalidRequest(errors)
    return [document]


def read_documents(body: bytes, now: datetime, max_bytes: int) -> list[PushedDocument]:
    """NDJSON: one document of at most ``max_bytes`` a line; blank lines are skipped.

    :raises InvalidRequest: with the line and field of each error, up to 100; all or nothing.
    """
    documents: list[PushedDocument] = []
    errors: list[dict[str, Any]] = []
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        document, line_errors = _read_one(line, now, max_bytes, number)
        if document is not None:
            documents.append(document)
        errors += line_errors
        if len(errors) >= _MAX_REPORTED_ERRORS:
            break
    if errors:
        raise InvalidRequest(errors[:_MAX_REPORTED_ERRORS])
    if not documents:
        raise InvalidRequest([{"field": "", "message": "the body holds no document"}])
    return documents


def _read_one(
    json_bytes: bytes, now: datetime, max_bytes: int, line: int | None
) -> tuple[PushedDocument | None, list[dict[str, Any]]]:
    if len(json_bytes) > max_bytes:
        message = f"the document has {len(json_bytes)} bytes, at most {max_bytes} are indexed"
        return None, describe_errors([{"type": "too_large", "loc": (), "msg": message}], line)
    try:
        return PushedDocument.model_validate_json(json_bytes, context=now), []
    except ValidationError as error:
        return None, describe_errors(error.errors(include_url=False), line)
