"""Look-ups, each inside the caller's read transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

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
from shared.vector_store.faiss_store.rows import DOCUMENT_COLUMNS, document_of, version_of
from shared.vector_store.faiss_store.schema import State

_LIVE_DOCUMENT = f"""
    SELECT document_key, indexed_at, {DOCUMENT_COLUMNS} FROM documents WHERE document_id = ? AND state = ?
"""  # noqa: S608 - a constant


def get_document(connection: sqlite3.Connection, document_id: str) -> StoredDocument | None:
    row = connection.execute(_LIVE_DOCUMENT, [document_id, State.LIVE]).fetchone()
    if row is None:
        return None
    document_key, indexed_at, *columns = row
    chunks = connection.execute(
        "SELECT ordinal, text, content_hash FROM chunks WHERE document_key = ? ORDER BY ordinal",
        [document_key],
    )
    return StoredDocument(
        document=document_of(tuple(columns)),
        chunks=tuple(Chunk(document_id, ordinal, text, digest) for ordinal, text, digest in chunks),
        indexed_at=from_epoch_milliseconds(indexed_at),
    )


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
