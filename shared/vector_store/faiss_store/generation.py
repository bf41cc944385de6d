"""One file of a store, open; and how to find the one that is current.

``FAISS_PATH`` is the first file of a store, and its address for ever. A rebuild fills another file beside
it (``documents.sqlite.g1``, ``.g2`` …) and then sets ``superseded_by`` in the one that was current: that
one commit is the switch. Who has the old file open reads the name with whatever it reads next; who opens
the store follows the names from ``FAISS_PATH`` on.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from shared.errors import StoreDamaged
from shared.vector_store.faiss_store.database import (
    FileGone,
    ReadConnections,
    WriteConnection,
    damage,
)
from shared.vector_store.faiss_store.following import Follower
from shared.vector_store.faiss_store.health import checked_meta
from shared.vector_store.faiss_store.index import View
from shared.vector_store.faiss_store.plan import IndexPlan
from shared.vector_store.faiss_store.schema import Meta, Superseded, prepare, read_last_seq, read_successor

_ATTEMPTS = 5


class Generation:
    """One file, for all threads of a process."""

    def __init__(self, file: Path, writer: WriteConnection, meta: Meta, busy_timeout: float) -> None:
        self.file = file
        self.meta = meta
        self.writer = writer
        self._readers = ReadConnections(file, busy_timeout)
        self._follower: Follower | None = None

    def follow(self, plan: IndexPlan) -> None:
        """From now on it can be searched; the index is loaded by the first search."""
        self._follower = Follower(self.file, self.meta.dimension, plan, self._readers)

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One consistent snapshot.

        :raises Superseded: there is a newer generation.
        """
        with self._borrowed() as connection:
            connection.execute("BEGIN")
            read_last_seq(connection, self.file)
            yield connection

    @contextlib.contextmanager
    def view(self) -> Iterator[tuple[sqlite3.Connection, View]]:
        """One consistent snapshot, and the index as of that moment.

        :raises Superseded: there is a newer generation.
        """
        assert self._follower is not None
        with self._borrowed() as connection:
            yield connection, self._follower.begin(connection)

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """All or nothing.

        :raises Superseded: there is a newer generation.
        """
        with self.writer.transaction() as connection:
            read_last_seq(connection, self.file)
            yield connection

    def settle(self) -> None:
        """Wait until the index has the kind that it should have."""
        if self._follower:
            self._follower.settle()

    def close(self) -> None:
        if self._follower:
            self._follower.close()
        self._readers.close()
        self.writer.close()

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._readers.borrowed() as connection:
                yield connection
        except FileGone:
            raise Superseded from None  # removed after a switch; its connections would have said so


def open_current(first: Path, to_create: Meta | None, busy_timeout: float) -> Generation:
    """The newest generation of the store whose first file is ``first``. That file must exist; if it is
    empty, and only then, it becomes the store that ``to_create`` describes.

    :raises StoreMismatch: it has another schema version.
    :raises StoreDamaged: a file is missing, or is not a healthy store.
    """
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(FileGone):  # a rebuild has just removed what the first file named
            return _open_newest(first, to_create, busy_timeout)
    raise StoreDamaged(damage(first, "the file that it names as its successor is missing"))


def _open_newest(first: Path, to_create: Meta | None, busy_timeout: float) -> Generation:
    file: Path | None = first
    while file:
        opened = open_generation(file, to_create if file == first else None, busy_timeout)
        if isinstance(opened, Generation):
            return opened
        file = opened
    raise AssertionError


def open_generation(file: Path, to_create: Meta | None, busy_timeout: float) -> Generation | Path:
    """The generation in ``file``, or the file that has superseded it.

    :raises FileGone: there is no such file.
    """
    writer = WriteConnection(file, busy_timeout)
    try:
        prepare(writer, file, to_create, busy_timeout)
        with writer.outside_transaction() as connection:
            connection.execute("BEGIN")
            try:
                successor = read_successor(connection, file)
                if successor is None:
                    return Generation(file, writer, checked_meta(connection, file), busy_timeout)
            finally:
                connection.execute("ROLLBACK")
    except BaseException:
        writer.close()
        raise
    writer.close()
    return successor_path(file, successor)


def successor_path(file: Path, name: str) -> Path:
    """:raises StoreDamaged: ``name`` is no name that this software gives."""
    if Path(name).name != name:
        raise StoreDamaged(damage(file, f"it names {name!r} as its successor"))
    return file.with_name(name)
