"""Look-ups, each inside the caller's read transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.domain import (
    Change,
    ChangeKind,
    ChangePage,
    Chunk,
    StoredDocument,
    StoreStats,
    from_epoch_milliseconds,
)
from shared.errors import CursorExpired
from shared.vector_store.faiss_store.loading import decode_embeddings
from shared.vector_store.faiss_store.rows import DOCUMENT_COLUMNS, document_of, version_of
from shared.vector_store.faiss_store.schema import State

if TYPE_CHECKING:
    from shared.ports import Embeddings

_VALUES_PER_QUERY = 500  # SQLite may have been built to take no more than 999

# The plus keeps SQLite from reading all live documents: it believes them to be ten.
_OF_LIVE_DOCUMENTS = f"FROM documents WHERE document_id IN ({{}}) AND +state = {State.LIVE}"
_OF_CHUNKS = "FROM chunks WHERE document_key IN ({}) ORDER BY document_key, ordinal"


def live_documents(connection: sqlite3.Connection, document_ids: Sequence[str]) -> dict[str, StoredDocument]:
    rows = list(
        _select(
            connection,
            f"SELECT document_key, indexed_at, {DOCUMENT_COLUMNS} {_OF_LIVE_DOCUMENTS}",
            document_ids,
        )
    )
    chunks: dict[int, list[list[Any]]] = {document_key: [] for document_key, *_ in rows}
    for document_key, *chunk in _select(
        connection, f"SELECT document_key, ordinal, text, content_hash {_OF_CHUNKS}", list(chunks)
    ):
        chunks[document_key].append(chunk)
    found = {}
    for document_key, indexed_at, *columns in rows:
        document = document_of(tuple(columns))
        found[document.document_id] = StoredDocument(
            document=document,
            chunks=tuple(Chunk(document.document_id, *chunk) for chunk in chunks[document_key]),
            indexed_at=from_epoch_milliseconds(indexed_at),
        )
    return found


def embeddings(
    connection: sqlite3.Connection, file: Path, dimension: int, document_ids: Sequence[str]
) -> dict[str, Embeddings]:
    """:raises StoreDamaged: one of them is no embedding."""
    ids = dict(_select(connection, f"SELECT document_key, document_id {_OF_LIVE_DOCUMENTS}", document_ids))
    blobs: dict[int, list[bytes]] = {document_key: [] for document_key in ids}
    for document_key, blob in _select(connection, f"SELECT document_key, embedding {_OF_CHUNKS}", list(ids)):
        blobs[document_key].append(blob)
    return {ids[key]: decode_embeddings(rows, dimension, file) for key, rows in blobs.items()}


def _select(connection: sqlite3.Connection, query: str, values: Sequence[str | int]) -> Iterator[Any]:
    """The rows of ``query``, whose braces stand for ``values``."""
    for start in range(0, len(values), _VALUES_PER_QUERY):
        some = values[start : start + _VALUES_PER_QUERY]
        yield from connection.execute(query.format(",".join("?" * len(some))), some)


def content_hashes(connection: sqlite3.Connection, document_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    hashes = {}
    for document_id in document_ids:
        row = connection.execute(
            "SELECT document_key FROM documents WHERE document_id = ? AND state = ?",
            [document_id, State.LIVE],
        ).fetchone()
        if row:
            chunks = connection.execute("SELECT content_hash FROM chunks WHERE document_key = ?", row)
            hashes[document_id] = frozenset(digest for (digest,) in chunks)
    return hashes


def change_page(connection: sqlite3.Connection, store_id: str, after: str | None, limit: int) -> ChangePage:
    last, floor = _position(connection, store_id, after)
    rows = connection.execute(
        """
        SELECT seq, document_id, state, revision, updated_at, indexed_at
        FROM documents WHERE seq > ? ORDER BY seq LIMIT ?
        """,
        [last, limit],
    ).fetchall()
    changes = tuple(
        Change(
            document_id=document_id,
            kind=_KINDS[State(state)],
            version=version_of(revision, updated_at),
            indexed_at=from_epoch_milliseconds(indexed_at),
        )
        for _, document_id, state, revision, updated_at, indexed_at in rows
    )
    return ChangePage(changes, f"{store_id}:{rows[-1][0] if rows else last}:{floor}")


_KINDS = {
    State.LIVE: ChangeKind.INDEXED,
    State.DELETED: ChangeKind.REMOVED,
    State.PURGED: ChangeKind.PURGED,
}


def _position(connection: sqlite3.Connection, store_id: str, after: str | None) -> tuple[int, int]:
    """The number of the last change that the reader has seen, and of the last one that was forgotten before
    it began: those it cannot have missed."""
    forgotten: int = connection.execute("SELECT forgotten_seq FROM counters").fetchone()[0]
    if after is None:
        return 0, forgotten
    cursor_store, *numbers = after.split(":")
    if cursor_store != store_id:
        raise CursorExpired("the cursor is of another store")
    last, floor = map(int, numbers)
    if forgotten > max(last, floor):
        raise CursorExpired("removals after the cursor have been forgotten")
    return last, floor


def store_stats(connection: sqlite3.Connection, now: datetime) -> StoreStats:
    """Constant time: counters, and one index look-up for each state."""
    documents, chunks, tombstones, last_indexed_at = connection.execute(
        "SELECT documents, chunks, tombstones, last_indexed_at FROM counters"
    ).fetchone()
    newest = [
        updated_at
        for state in (State.LIVE, State.DELETED)
        for (updated_at,) in connection.execute(
            "SELECT max(updated_at) FROM documents WHERE state = ?", [state]
        )
        if updated_at is not None
    ]
    return StoreStats(
        documents=documents,
        chunks=chunks,
        tombstones=tombstones,
        as_of=min(from_epoch_milliseconds(max(newest)), now) if newest else None,
        last_indexed_at=None if last_indexed_at is None else from_epoch_milliseconds(last_indexed_at),
    )
