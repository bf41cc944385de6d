"""The files of a store's generations: which is next, and what can go. For a rebuild, while it is the only
one."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from shared.vector_store.faiss_store.database import WriteConnection

_BUSY_TIMEOUT = 30.0  # seconds
_SUFFIXES = ("", "-wal", "-shm")  # in this order: nobody can open a file whose log has gone before it


def next_file(first: Path, current: Path) -> Path:
    """A name that no generation before ``current`` had."""
    number = 0 if current == first else int(current.name.rpartition(".g")[2])
    return first.with_name(f"{first.name}.g{number + 1}")


def tidy_up(first: Path, current: Path) -> None:
    """Leave the first file, naming ``current`` as its successor but otherwise empty, and ``current``."""
    if current != first:
        _make_signpost(first, current.name)
    generation = re.compile(re.escape(first.name) + r"\.g\d+")
    for file in first.parent.iterdir():
        name = file.name.removesuffix("-wal").removesuffix("-shm")
        if generation.fullmatch(name) and name != current.name:
            remove_generation(file.with_name(name))


def remove_generation(file: Path) -> None:
    """Processes that still have it open go on reading it until they see that it is superseded."""
    for suffix in _SUFFIXES:
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _make_signpost(first: Path, successor: str) -> None:
    database = WriteConnection(first, _BUSY_TIMEOUT)
    try:
        with database.transaction() as connection:
            # Before the generations between them go: until then their names lead there too.
            connection.execute("UPDATE counters SET superseded_by = ?", [successor])
            tables = connection.execute(
                "SELECT count(*) FROM sqlite_master WHERE name IN ('chunks', 'documents')"
            ).fetchone()[0]
            connection.execute("DROP TABLE IF EXISTS chunks")
            connection.execute("DROP TABLE IF EXISTS documents")
        if tables:
            with database.outside_transaction() as connection:
                _give_back_all(connection)
    finally:
        database.close()


def _give_back_all(connection: sqlite3.Connection) -> None:
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
