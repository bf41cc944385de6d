"""Connections to the store's SQLite file: transactions, durability, and vendor errors mapped to ours."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from shared.errors import ConfigurationError, RagError, StoreDamaged, StoreUnavailable

_BUSY_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_DAMAGE_CODES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_AWAY_CODES = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM}


class Database:
    """One connection, used by one thread at a time.

    Another ``Database`` on the same file, in this process or another, sees a write as soon as its
    transaction is over.
    """

    def __init__(self, file: Path, busy_timeout: float) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._closed = False
        with translated(file):
            self._connection = sqlite3.connect(
                file, timeout=busy_timeout, isolation_level=None, check_same_thread=False
            )

    @contextlib.contextmanager
    def outside_transaction(self) -> Iterator[sqlite3.Connection]:
        """The bare connection, for the pragmas that refuse to run inside a transaction."""
        with self._lock:
            if self._closed:
                raise StoreUnavailable(f"{self._file}: the vector store is closed")
            with translated(self._file):
                yield self._connection

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One consistent snapshot, from the first statement to the end of the block."""
        with self.outside_transaction() as connection, _transaction(connection, "BEGIN"):
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, after every other writer, durable when the block has ended."""
        with self.outside_transaction() as connection, _transaction(connection, "BEGIN IMMEDIATE"):
            yield connection

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                with translated(self._file):
                    self._connection.close()


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextlib.contextmanager
def translated(file: Path) -> Iterator[None]:
    """Vendor errors stop here; those that can only be our own mistakes pass."""
    try:
        yield
    except sqlite3.Error as error:
        decision = _decide(error, file)
        if decision is None:
            raise
        raise decision from error


def _decide(error: sqlite3.Error, file: Path) -> RagError | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    primary = code & 0xFF  # extended codes carry the primary one in their low byte
    if primary in _DAMAGE_CODES:
        return StoreDamaged(damage(file, str(error)))
    if primary in _BUSY_CODES:
        return StoreUnavailable(f"{file}: locked by another process ({error})")
    if primary == sqlite3.SQLITE_FULL:
        return StoreUnavailable(f"{file}: {error}; free some space")
    if primary in _AWAY_CODES:
        return StoreUnavailable(f"{file}: {error}")
    return None


def damage(file: Path, what: str) -> str:
    """The one line that an operator needs."""
    return (
        f"FAISS_PATH={file}: not a healthy vector store ({what}); "
        f"restore the file, or remove it and replay the stream"
    )


def usable_path(file: Path) -> None:
    """Make the file's folder and prove that the file can be opened for writing.

    :raises ConfigurationError: it cannot.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab"):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"FAISS_PATH={file}: cannot be written ({error.strerror}); "
            f"set FAISS_PATH (or DATA_DIR) to a writable path"
        ) from None
