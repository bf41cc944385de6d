"""Removing what is old, in steps that each are one short write transaction."""

from __future__ import annotations

import sqlite3

from shared.vector_store.faiss_store.generation import Generation
from shared.vector_store.faiss_store.rows import DocumentState, removed_parameters, version_of
from shared.vector_store.faiss_store.schema import State
from shared.vector_store.faiss_store.writes import put_document

_STEP = 200  # documents
_PAGES_PER_STEP = 64  # 1 MiB to move
_FREE_PAGES_TO_KEEP = 16


def purge_step(
    connection: sqlite3.Connection, older_than: int | None, max_chunks: int | None, now: int
) -> int:
    """Remove some of the oldest documents; 0 means that no more need to go. Times in epoch milliseconds."""
    chunks_left = connection.execute("SELECT chunks FROM counters").fetchone()[0]
    oldest = connection.execute(
        """
        SELECT document_id, document_key, revision, updated_at,
               (SELECT count(*) FROM chunks WHERE chunks.document_key = documents.document_key)
        FROM documents WHERE state = ? ORDER BY updated_at, document_id LIMIT ?
        """,
        [State.LIVE, _STEP],
    ).fetchall()
    removed = 0
    for document_id, document_key, revision, updated_at, chunks in oldest:
        too_old = older_than is not None and updated_at < older_than
        too_many = max_chunks is not None and chunks_left > max_chunks
        if not (too_old or too_many):
            break
        version = version_of(revision, updated_at)
        stored = DocumentState(document_key, State.LIVE, version)
        put_document(connection, stored, removed_parameters(document_id, State.PURGED, version), 0, now)
        chunks_left -= chunks
        removed += 1
    return removed


def expire_step(connection: sqlite3.Connection, removed_before: int) -> int:
    """Forget some documents that were removed before then; 0 means that none is left."""
    expired = connection.execute(
        """
        SELECT document_key, seq, state FROM documents
        WHERE state != ? AND indexed_at < ? ORDER BY seq LIMIT ?
        """,
        [State.LIVE, removed_before, _STEP],
    ).fetchall()
    if expired:
        connection.executemany("DELETE FROM documents WHERE document_key = ?", [row[:1] for row in expired])
        connection.execute(
            "UPDATE counters SET tombstones = tombstones - ?, forgotten_seq = max(forgotten_seq, ?)",
            [sum(state == State.DELETED for *_, state in expired), max(seq for _, seq, _ in expired)],
        )
    return len(expired)


def give_back_step(generation: Generation) -> int:
    """Cut some unused pages off the end of the file; how many. A file of before schema version 3 cannot
    be cut: its pages are used again, but it stays as long as it is."""
    with generation.write() as connection:
        before = _free_pages(connection)
        if before > _FREE_PAGES_TO_KEEP:
            connection.execute(f"PRAGMA incremental_vacuum({_PAGES_PER_STEP})").fetchall()
        given_back = before - _free_pages(connection)
    if not given_back:
        with generation.writer.outside_transaction() as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    return given_back


def _free_pages(connection: sqlite3.Connection) -> int:
    pages: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
    return pages
