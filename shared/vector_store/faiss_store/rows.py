"""Between the words of the domain and the columns of the tables."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from shared.domain import AttributeValue, Document, Version, epoch_milliseconds, from_epoch_milliseconds
from shared.vector_store.faiss_store.schema import State

_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class DocumentState(NamedTuple):
    """What a versioned write must know about the row that it meets."""

    document_key: int
    state: State
    version: Version

    @property
    def blocking_version(self) -> Version | None:
        return None if self.state is State.PURGED else self.version


def find_state(connection: sqlite3.Connection, document_id: str) -> DocumentState | None:
    row = connection.execute(
        "SELECT document_key, state, revision, updated_at FROM documents WHERE document_id = ?", [document_id]
    ).fetchone()
    if row is None:
        return None
    return DocumentState(row[0], State(row[1]), version_of(row[2], row[3]))


def version_of(revision: int, updated_at: int) -> Version:
    return Version(revision, from_epoch_milliseconds(updated_at))


DOCUMENT_COLUMNS = "document_id, source, title, text, url, revision, updated_at, attributes, ingest_trace_id"


def document_of(row: tuple[Any, ...]) -> Document:
    """From ``DOCUMENT_COLUMNS``."""
    document_id, source, title, text, url, revision, updated_at, attributes, ingest_trace_id = row
    return Document(
        document_id=document_id,
        source=source,
        title=title,
        text=text,
        url=url,
        revision=revision,
        updated_at=from_epoch_milliseconds(updated_at),
        attributes=decode_attributes(attributes),
        ingest_trace_id=ingest_trace_id,
    )


def content_parameters(document: Document) -> dict[str, Any]:
    """Named parameters of a live row, but for its place in the feed."""
    return {
        "document_id": document.document_id,
        "state": State.LIVE,
        "revision": document.revision,
        "updated_at": epoch_milliseconds(document.updated_at),
        "source": document.source,
        "title": document.title,
        "url": document.url,
        "attributes": encode_attributes(document.attributes),
        "text": document.text,
        "ingest_trace_id": document.ingest_trace_id,
    }


def removed_parameters(document_id: str, state: State, version: Version) -> dict[str, Any]:
    """Named parameters of a row that keeps nothing but its version."""
    return {
        "document_id": document_id,
        "state": state,
        "revision": version.revision,
        "updated_at": epoch_milliseconds(version.updated_at),
        "source": "",
        "title": "",
        "url": "",
        "attributes": "{}",
        "text": "",
        "ingest_trace_id": None,
    }


def encode_attributes(attributes: Mapping[str, AttributeValue]) -> str:
    return _COMPACT.encode(dict(attributes))


def decode_attributes(text: str) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = json.loads(text)
    return attributes
