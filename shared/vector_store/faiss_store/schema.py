"""The tables, and the check that a file holds them for this embedder.

``documents.seq`` is unique and grows with every change, across all writers: the rows in its order *are*
the compacted change feed. A removed document keeps its row, without content.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from shared.errors import ConfigurationError, StoreDamaged, StoreMismatch
from shared.vector_store.faiss_store.database import REBUILD_COMMAND, WriteConnection, damage

SCHEMA_VERSION = 3
_WITHOUT_TRACES = 2
_APPLICATION_ID = 0x52414756  # "RAGV"

# Six chunks of 384 float32 with their texts fill a page of this size; the default wastes a third.
_PAGE_SIZE = 16_384
_JOURNAL_LIMIT = 64 * 1024 * 1024


class State(IntEnum):
    """Of a document's row. Only a purged one does not take part in version checks."""

    LIVE = 0
    DELETED = 1
    PURGED = 2


_TABLES = (
    """
    CREATE TABLE meta (
        name TEXT PRIMARY KEY,
        value NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE counters (
        last_seq INTEGER NOT NULL,
        documents INTEGER NOT NULL,
        chunks INTEGER NOT NULL,
        tombstones INTEGER NOT NULL,
        last_indexed_at INTEGER,
        forgotten_seq INTEGER NOT NULL,
        superseded_by TEXT
    )
    """,
    "INSERT INTO counters VALUES (0, 0, 0, 0, NULL, 0, NULL)",
    """
    CREATE TABLE documents (
        document_key INTEGER PRIMARY KEY,
        document_id TEXT NOT NULL UNIQUE,
        seq INTEGER NOT NULL UNIQUE,
        state INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        indexed_at INTEGER NOT NULL,
        source TEXT NOT NULL,
        title TEXT NOT NULL,
        url TEXT NOT NULL,
        attributes TEXT NOT NULL,
        text TEXT NOT NULL,
        ingest_trace_id TEXT
    )
    """,
    "CREATE INDEX documents_by_age ON documents (state, updated_at, document_id)",
    """
    CREATE TABLE chunks (
        chunk_key INTEGER PRIMARY KEY AUTOINCREMENT,
        document_key INTEGER NOT NULL,
        ordinal INTEGER NOT NULL,
        content_hash TEXT NOT NULL,
        embedding BLOB NOT NULL,
        text TEXT NOT NULL,
        UNIQUE (document_key, ordinal)
    )
    """,
)


@dataclass(frozen=True, slots=True)
class Meta:
    """``store_id`` tells this generation's cursors from those of any other."""

    store_id: str
    embedder_name: str
    dimension: int


class Superseded(Exception):
    """The file is an old generation; nothing was read from it or written to it."""


def read_last_seq(connection: sqlite3.Connection, file: Path) -> int:
    """The number of the newest change: equal for equal contents, whatever the connection.

    :raises Superseded: the store has moved on to another file.
    """
    last_seq, successor = _one_row(
        connection.execute("SELECT last_seq, superseded_by FROM counters").fetchall(), file
    )
    if successor is not None:
        raise Superseded
    return int(last_seq)


def read_successor(connection: sqlite3.Connection, file: Path) -> str | None:
    """The name of the file, in the same folder, that has taken over."""
    (successor,) = _one_row(connection.execute("SELECT superseded_by FROM counters").fetchall(), file)
    return None if successor is None else str(successor)


def _one_row(rows: list[tuple[Any, ...]], file: Path) -> tuple[Any, ...]:
    if len(rows) != 1:
        raise StoreDamaged(damage(file, "its counters are gone"))
    return rows[0]


def prepare(database: WriteConnection, file: Path, to_create: Meta | None, busy_timeout: float) -> None:
    """Create the tables in an empty file (not for ``None``), or check that an existing one holds them.

    A file of the version before is brought up to this one.

    :raises StoreMismatch: another schema version.
    :raises StoreDamaged: the file is something else.
    """
    with database.outside_transaction() as connection:
        if not connection.execute("PRAGMA page_count").fetchone()[0]:
            connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        _use_write_ahead_log(connection, file, busy_timeout)
        connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT}")
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute("PRAGMA synchronous = FULL")
    with database.transaction() as connection:
        if to_create and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            _create(connection, to_create)
        _check_kind(connection, file)
        _add_traces(connection)
        _check_version(connection, file)
    with database.outside_transaction() as connection:
        # Commits reach the file in order, but the disk only at a checkpoint or a ``sync``.
        connection.execute("PRAGMA synchronous = NORMAL")


def _use_write_ahead_log(connection: sqlite3.Connection, file: Path, busy_timeout: float) -> None:
    """Two processes that create the store together get in each other's way here, and SQLite does not
    apply its own timeout to this change."""
    deadline = time.monotonic() + busy_timeout
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise ConfigurationError(
            f"FAISS_PATH={file}: this file system has no shared memory for SQLite's write-ahead log; "
            f"set FAISS_PATH to a path on a local disk"
        )


def _create(connection: sqlite3.Connection, meta: Meta) -> None:
    for statement in _TABLES:
        connection.execute(statement)
    connection.executemany(
        "INSERT INTO meta VALUES (?, ?)",
        [
            ("store_id", meta.store_id),
            ("embedder_name", meta.embedder_name),
            ("dimension", meta.dimension),
        ],
    )
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _check_kind(connection: sqlite3.Connection, file: Path) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        raise StoreDamaged(damage(file, "an SQLite file of something else"))


def _add_traces(connection: sqlite3.Connection) -> None:
    """Documents of before have none; no row is touched, so it takes no time."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == _WITHOUT_TRACES:
        connection.execute("ALTER TABLE documents ADD COLUMN ingest_trace_id TEXT")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _check_version(connection: sqlite3.Connection, file: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise StoreMismatch(
            f"FAISS_PATH={file}: has schema version {version}, this software reads {SCHEMA_VERSION}; "
            f"use the software that wrote it, or remove the file and run: {REBUILD_COMMAND} --from kafka"
        )


def check_match(stored: Meta, embedder_name: str, dimension: int, file: Path) -> None:
    """:raises StoreMismatch: the file was built with another embedder."""
    if (stored.embedder_name, stored.dimension) != (embedder_name, dimension):
        raise StoreMismatch(
            f"EMBEDDER_MODEL: {file} was built with {stored.embedder_name!r} "
            f"({stored.dimension} dimensions), but the embedder is {embedder_name!r} ({dimension}); "
            f"set EMBEDDER and EMBEDDER_MODEL back, or build the store anew: {REBUILD_COMMAND}"
        )


def new_meta(embedder_name: str, dimension: int) -> Meta:
    return Meta(uuid.uuid4().hex, embedder_name, dimension)
