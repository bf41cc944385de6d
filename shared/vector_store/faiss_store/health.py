"""What must hold for a file before anything in it is believed; cheap also for a large store."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from shared.errors import StoreDamaged
from shared.vector_store.faiss_store.database import damage
from shared.vector_store.faiss_store.schema import Meta, State


def checked_meta(connection: sqlite3.Connection, file: Path) -> Meta:
    """What the file was built with, after a look at its size, its counters and its indexes.

    Reads the indexes, not the contents: 20 ms for 100,000 chunks. Damaged contents are found when they
    are read. ``connection`` is inside a read transaction.

    :raises StoreDamaged: something contradicts itself.
    """
    _check_size(connection, file)
    meta = _meta(connection, file)
    _check_counters(connection, file)
    return meta


def _check_size(connection: sqlite3.Connection, file: Path) -> None:
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    page_size = connection.execute("PRAGMA page_size").fetchone()[0]
    missing = pages * page_size - file.stat().st_size
    log = file.with_name(file.name + "-wal")
    in_log = log.stat().st_size if log.exists() else 0
    if missing > in_log:
        raise StoreDamaged(damage(file, f"it was cut: {missing} bytes are missing"))


def _meta(connection: sqlite3.Connection, file: Path) -> Meta:
    values: dict[str, Any] = dict(connection.execute("SELECT name, value FROM meta"))
    store_id, name, dimension = (values.get(key) for key in ("store_id", "embedder_name", "dimension"))
    if not (isinstance(store_id, str) and isinstance(name, str) and isinstance(dimension, int)):
        raise StoreDamaged(damage(file, "it does not say what it was built with"))
    return Meta(store_id, name, dimension)


def _check_counters(connection: sqlite3.Connection, file: Path) -> None:
    counted = {
        "documents": _count_documents(connection, State.LIVE),
        "tombstones": _count_documents(connection, State.DELETED),
        "chunks": connection.execute("SELECT count(*) FROM chunks").fetchone()[0],
    }
    row = connection.execute("SELECT documents, tombstones, chunks, last_seq FROM counters").fetchone()
    for (name, found), expected in zip(counted.items(), row[:3], strict=True):
        if found != expected:
            raise StoreDamaged(damage(file, f"its counters say {expected} {name}, there are {found}"))
    newest = connection.execute("SELECT max(seq) FROM documents").fetchone()[0] or 0
    if newest > row[3]:
        raise StoreDamaged(damage(file, f"change {newest} is newer than the newest ({row[3]})"))


def _count_documents(connection: sqlite3.Connection, state: State) -> int:
    count: int = connection.execute("SELECT count(*) FROM documents WHERE state = ?", [state]).fetchone()[0]
    return count
