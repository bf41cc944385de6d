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

from shared.errors import ConfigurationError, StoreDamaged, StoreMismatch
from shared.vector_store.faiss_store.database import Database, damage

SCHEMA_VERSION = 2
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
        forgotten_seq INTEGER NOT NULL
    )
    """,
    "INSERT INTO counters VALUES (0, 0, 0, 0, NULL, 0)",
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
        text TEXT NOT NULL
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
    """``store_id`` tells this store's cursors from those of an earlier one at the same path."""

    store_id: str
    embedder_name: str
    dimension: int


def prepare(database: Database, file: Path, expected: Meta, busy_timeout: float) -> Meta:
    """Create the tables in an empty file, or check what an existing one was built with.

    :raises StoreMismatch: another embedder, dimension or schema version.
    :raises StoreDamaged: the file is something else.
    """
    with database.outside_transaction() as connection:
        connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
        _use_write_ahead_log(connection, file, busy_timeout)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT}")
    with database.write() as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            _create(connection, expected)
        _check_kind(connection, file)
        stored = read_meta(connection)
    _check_match(stored, expected, file)
    return stored


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
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise StoreMismatch(
            f"FAISS_PATH={file}: has schema version {version}, this software reads {SCHEMA_VERSION}; "
            f"set FAISS_PATH to a new file and replay the stream"
        )


def read_meta(connection: sqlite3.Connection) -> Meta:
    values = dict(connection.execute("SELECT name, value FROM meta"))
    return Meta(values["store_id"], values["embedder_name"], values["dimension"])


def _check_match(stored: Meta, expected: Meta, file: Path) -> None:
    if (stored.embedder_name, stored.dimension) != (expected.embedder_name, expected.dimension):
        raise StoreMismatch(
            f"EMBEDDER_MODEL: {file} was built with {stored.embedder_name!r} "
            f"({stored.dimension} dimensions), but the embedder is {expected.embedder_name!r} "
            f"({expected.dimension}); set EMBEDDER and EMBEDDER_MODEL back, or set FAISS_PATH to a new "
            f"file and replay the stream"
        )


def new_meta(embedder_name: str, dimension: int) -> Meta:
    return Meta(uuid.uuid4().hex, embedder_name, dimension)
