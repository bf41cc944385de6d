"""Connections to one SQLite file: transactions, a pool for readers, and vendor errors mapped to ours."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from shared.errors import ConfigurationError, RagError, StoreDamaged, StoreUnavailable

REBUILD_COMMAND = "python -m services.processor rebuild"

_BUSY_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_DAMAGE_CODES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_AWAY_CODES = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM}

_CACHE_KIB = 16_384
_MAPPED_BYTES = 2**40  # more than SQLite's own limit, which applies
_MAX_READERS = 16


class ConnectionsClosed(StoreUnavailable):
    """The file was closed by this process itself."""


class FileGone(StoreUnavailable):
    """There is no file of that name (any more)."""


class WriteConnection:
    """One connection, used by one thread at a time."""

    def __init__(self, file: Path, busy_timeout: float) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._closed = False
        self._connection = _connect(file, busy_timeout)

    @contextlib.contextmanager
    def outside_transaction(self) -> Iterator[sqlite3.Connection]:
        """The bare connection, for the pragmas that refuse to run inside a transaction."""
        with self._lock:
            if self._closed:
                raise ConnectionsClosed(f"{self._file}: the vector store is closed")
            with translated(self._file):
                yield self._connection

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, after every other writer, visible to every reader when the block has ended."""
        with self.outside_transaction() as connection, _transaction(connection, "BEGIN IMMEDIATE"):
            yield connection

    def sync(self) -> None:
        """Force to disk all that was committed to the file: it stands in the write-ahead log, or a
        checkpoint has already forced it to disk. Waits for nobody else's writes.

        :raises StoreDamaged: the disk failed; it may have dropped what it could not write.
        """
        with self._lock:
            if self._closed:
                raise ConnectionsClosed(f"{self._file}: the vector store is closed")
        try:
            _force_to_disk(self._file.with_name(self._file.name + "-wal"), os.O_RDWR)
            _force_to_disk(self._file.parent, os.O_RDONLY)
        except FileNotFoundError:
            return  # by a rebuild, which has carried the writes over
        except OSError as error:
            what = f"the disk failed to write: {error.strerror}"
            raise StoreDamaged(damage(self._file, what)) from error

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                with translated(self._file):
                    self._connection.close()


class ReadConnections:
    """As many connections as there are threads that read at the same time, up to a limit."""

    def __init__(self, file: Path, busy_timeout: float) -> None:
        self._file = file
        self._busy_timeout = busy_timeout
        self._places = threading.BoundedSemaphore(_MAX_READERS)
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[sqlite3.Connection]:
        """A connection without a transaction; one that the block begins ends with it.

        :raises FileGone: the file was removed; connections that are open still read it.
        """
        with self._places, translated(self._file):
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """One consistent snapshot, from the first statement to the end of the block."""
        with self.borrowed() as connection:
            connection.execute("BEGIN")
            yield connection

    def close(self) -> None:
        """Those that are in use close when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        with translated(self._file):
            for connection in idle:
                connection.close()

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise ConnectionsClosed(f"{self._file}: the vector store is closed")
            if self._idle:
                return self._idle.pop()
        connection = _connect(self._file, self._busy_timeout)
        # A search reads embeddings from a hundred pages all over the file: copying each takes longer than all
        # else. What is mapped belongs to the system's cache, not to this process.
        connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            connection.close()
            raise
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()


def _force_to_disk(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _connect(file: Path, busy_timeout: float) -> sqlite3.Connection:
    """Never creates the file: an empty one in the place of one that was removed would be a lie."""
    with translated(file):
        try:
            connection = sqlite3.connect(
                f"file:{quote(str(file))}?mode=rw",
                uri=True,
                timeout=busy_timeout,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.OperationalError:
            if not file.exists():
                raise FileGone(f"{file}: no such file") from None
            raise
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return connection


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
    """Vendor errors stop here, as do rows that we cannot have written; our own mistakes pass."""
    try:
        yield
    except sqlite3.Error as error:
        decision = _decide(error, file)
        if decision is None:
            raise
        raise decision from error
    except json.JSONDecodeError as error:
        raise StoreDamaged(damage(file, f"attributes that are not JSON: {error}")) from error


def _decide(error: sqlite3.Error, file: Path) -> RagError | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # Python's own, without a code: a text that is not UTF-8 was not written by us.
        return StoreDamaged(damage(file, str(error))) if "decode" in str(error) else None
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
        f"FAISS_PATH={file}: not a healthy vector store ({what}); restore the file, "
        f"or remove it and run: {REBUILD_COMMAND} --from kafka"
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
