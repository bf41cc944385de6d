"""Keeps an index equal to the file, for all threads of a process: each change is applied once."""

from __future__ import annotations

import logging
import sqlite3
import threading
from pathlib import Path

from shared.errors import RagError
from shared.vector_store.faiss_store.database import ReadConnections
from shared.vector_store.faiss_store.index import View
from shared.vector_store.faiss_store.loading import FollowingIndex, LoadStopped, built_index
from shared.vector_store.faiss_store.plan import IndexPlan
from shared.vector_store.faiss_store.schema import Superseded, read_last_seq

log = logging.getLogger(__name__)

_RETRY_AFTER_CHANGES = 1_000


class Follower:
    """Safe to call from several threads.

    Another kind of index, or one without its dead positions, is built aside by a thread of its own, while
    the old one answers and follows.
    """

    def __init__(self, file: Path, dimension: int, plan: IndexPlan, connections: ReadConnections) -> None:
        self._file = file
        self._dimension = dimension
        self._plan = plan
        self._connections = connections
        self._lock = threading.Lock()
        self._current: FollowingIndex | None = None
        self._view: View | None = None
        self._built: FollowingIndex | None = None
        self._builder: threading.Thread | None = None
        self._failed_at: int | None = None
        self._closing = threading.Event()

    def begin(self, connection: sqlite3.Connection) -> View:
        """Begin a read transaction, and show the index as of that moment.

        :raises Superseded: the store has moved on to another file.
        :raises StoreDamaged: a row cannot be read.
        """
        with self._lock:
            # Begun under the lock, so that the snapshot is never older than the index.
            connection.execute("BEGIN")
            last_seq = read_last_seq(connection, self._file)
            if self._view is not None and self._built is None and self._seq == last_seq:
                return self._view
            self._view = None  # half-applied changes must not survive an error
            current, self._current = self._current, None
            built, self._built = self._built, None
            if built:
                log.info("searching another FAISS index from now on", extra={"kind": built.recipe.kind})
            current = built or current
            if current is None:
                current = built_index(connection, self._file, self._dimension, self._plan, last_seq)
            elif current.seq != last_seq:
                current.follow(connection, last_seq)
            self._current, self._view = current, current.index.view()
            self._build_aside_if_needed(current)
            return self._view

    def settle(self) -> None:
        """Wait until no other index is being built. The next ``begin`` uses what was built."""
        with self._lock:
            builder = self._builder
        if builder:
            builder.join()

    def close(self) -> None:
        self._closing.set()
        self.settle()

    @property
    def _seq(self) -> int | None:
        return self._current.seq if self._current else None

    def _build_aside_if_needed(self, current: FollowingIndex) -> None:
        fitting = self._plan.recipe_for(current.index.live, current.recipe) is current.recipe
        if (fitting and not current.index.wasteful) or self._builder or self._closing.is_set():
            return
        if self._failed_at is not None and current.seq < self._failed_at + _RETRY_AFTER_CHANGES:
            return
        self._builder = threading.Thread(target=self._build_aside, name="faiss-index", daemon=True)
        self._builder.start()

    def _build_aside(self) -> None:
        built = None
        try:
            built = self._build()
            self._failed_at = None
        except (LoadStopped, Superseded):
            log.debug("building another FAISS index was given up: the file is no longer needed")
        except (RagError, MemoryError) as error:
            self._failed_at = self._seq
            log.warning("building another FAISS index failed; the old one goes on: %s", error)
        finally:
            with self._lock:
                self._built, self._builder = built, None

    def _build(self) -> FollowingIndex:
        with self._connections.snapshot() as connection:
            last_seq = read_last_seq(connection, self._file)
            built = built_index(
                connection, self._file, self._dimension, self._plan, last_seq, self._closing.is_set
            )
        with self._connections.snapshot() as connection:  # what was written meanwhile
            built.follow(connection, read_last_seq(connection, self._file))
        return built
