"""Versioned changes, each inside the caller's write transaction."""

from __future__ import annotations

import sqlite3
from typing import Any

from shared.domain import Version, WriteOutcome
from shared.ports import EmbeddedDocument
from shared.vector_store import laws
from shared.vector_store.faiss_store.rows import (
    DocumentState,
    content_parameters,
    find_state,
    removed_parameters,
)
from shared.vector_store.faiss_store.schema import State

_PUT_DOCUMENT = """
    INSERT INTO documents (
        document_id, seq, state, revision, updated_at, indexed_at, source, title, url, attributes, text,
        ingest_trace_id
    ) VALUES (
        :document_id, :seq, :state, :revision, :updated_at, :indexed_at, :source, :title, :url, :attributes,
        :text, :ingest_trace_id
    )
    ON CONFLICT (document_id) DO UPDATE SET
        seq = excluded.seq, state = excluded.state, revision = excluded.revision,
        updated_at = excluded.updated_at, indexed_at = excluded.indexed_at, source = excluded.source,
        title = excluded.title, url = excluded.url, attributes = excluded.attributes, text = excluded.text,
        ingest_trace_id = excluded.ingest_trace_id
    RETURNING document_key
"""

_PUT_CHUNK = """
    INSERT INTO chunks (document_key, ordinal, content_hash, embedding, text) VALUES (?, ?, ?, ?, ?)
"""

_COUNT = """
    UPDATE counters SET
        last_seq = last_seq + 1, documents = documents + ?, chunks = chunks + ?,
        tombstones = tombstones + ?, last_indexed_at = ?
    RETURNING last_seq
"""


def replace_document(connection: sqlite3.Connection, item: EmbeddedDocument, now: int) -> WriteOutcome:
    """``now`` in epoch milliseconds, here and below."""
    document = item.document
    stored = find_state(connection, document.document_id)
    outcome = laws.judge(stored.blocking_version if stored else None, document.version)
    if outcome is WriteOutcome.APPLIED:
        embeddings = _resolve(connection, item, stored)
        if embeddings is None:
            return WriteOutcome.UNRESOLVED
        document_key = put_document(connection, stored, content_parameters(document), len(embeddings), now)
        connection.executemany(
            _PUT_CHUNK,
            [
                (document_key, chunk.ordinal, chunk.content_hash, embedding, chunk.text)
                for chunk, embedding in zip(item.chunks, embeddings, strict=True)
            ],
        )
    return outcome


def _resolve(
    connection: sqlite3.Connection, item: EmbeddedDocument, stored: DocumentState | None
) -> list[bytes] | None:
    """The embedding of each chunk as stored bytes, reused ones looked up; ``None`` where one is missing."""
    known: dict[str, bytes] = {}
    if stored and any(embedding is None for embedding in item.embeddings):
        known = dict(
            connection.execute(
                "SELECT content_hash, embedding FROM chunks WHERE document_key = ?", [stored.document_key]
            )
        )
    resolved = []
    for chunk, embedding in zip(item.chunks, item.embeddings, strict=True):
        if embedding is not None:
            resolved.append(embedding.tobytes())
        elif chunk.content_hash in known:
            resolved.append(known[chunk.content_hash])
        else:
            return None
    return resolved


def delete_document(
    connection: sqlite3.Connection, document_id: str, version: Version, now: int
) -> WriteOutcome:
    stored = find_state(connection, document_id)
    outcome = laws.judge(stored.blocking_version if stored else None, version)
    if outcome is WriteOutcome.APPLIED:
        put_document(connection, stored, removed_parameters(document_id, State.DELETED, version), 0, now)
    return outcome


def put_document(
    connection: sqlite3.Connection,
    stored: DocumentState | None,
    parameters: dict[str, Any],
    chunks: int,
    now: int,
) -> int:
    """Write the document's row at the end of the feed and drop its old chunks; the row's key."""
    removed = 0
    if stored:
        removed = connection.execute(
            "DELETE FROM chunks WHERE document_key = ?", [stored.document_key]
        ).rowcount
    before = stored.state if stored else None
    after = parameters["state"]
    seq = connection.execute(
        _COUNT,
        [
            (after is State.LIVE) - (before is State.LIVE),
            chunks - removed,
            (after is State.DELETED) - (before is State.DELETED),
            now,
        ],
    ).fetchone()[0]
    key: int = connection.execute(_PUT_DOCUMENT, {**parameters, "seq": seq, "indexed_at": now}).fetchone()[0]
    return key
