"""A second generation beside the current one, and the switch to it."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from shared.errors import ConfigurationError, RagError, StoreUnavailable
from shared.ports import VectorStore
from shared.settings import VectorStoreSettings
from shared.vector_store.faiss_store.database import WriteConnection, translated, usable_path
from shared.vector_store.faiss_store.leftovers import next_file, remove_generation, tidy_up
from shared.vector_store.faiss_store.schema import Meta
from shared.vector_store.faiss_store.store import FaissStore

log = logging.getLogger(__name__)

_BUSY_TIMEOUT = 30.0  # seconds: the seal comes after every write that is under way


def begin_faiss_rebuild(settings: VectorStoreSettings, *, embedder_name: str, dimension: int) -> FaissRebuild:
    """Start a new generation of the store at ``FAISS_PATH`` for this embedder. What a rebuild that died
    has left behind is removed first. A store that does not exist yet counts as an empty one.

    :raises ConfigurationError: another rebuild is running, or ``FAISS_PATH`` cannot be used.
    :raises StoreDamaged: the current generation is not healthy.
    :raises StoreUnavailable: a file stays locked, or the disk is full.
    """
    first = settings.faiss_file
    usable_path(first)
    index = settings.faiss_index
    with contextlib.ExitStack() as undo:
        undo.enter_context(_only_rebuild(first))
        source = _Source(first, embedder_name=embedder_name, dimension=dimension, index_description=index)
        undo.callback(source.close)
        tidy_up(first, source.current_file)
        file = next_file(first, source.current_file)
        target = FaissStore(file, embedder_name=embedder_name, dimension=dimension, index_description=index)
        return FaissRebuild(first, source, target, undo.pop_all())


class _Source(FaissStore):
    """Open whatever it was built with."""

    def _check(self, meta: Meta) -> None:
        del meta


class FaissRebuild:
    """See ``shared.ports.Rebuild``."""

    def __init__(
        self, first: Path, source: FaissStore, target: FaissStore, release: contextlib.ExitStack
    ) -> None:
        """``release`` closes ``source`` and lets the next rebuild begin."""
        self._first = first
        self._source = source
        self._target = target
        self._target_file = target.current_file
        self._release = release
        self._seal: _Seal | None = None
        self._switched = False

    @property
    def source(self) -> VectorStore:
        return self._source

    @property
    def target(self) -> VectorStore:
        return self._target

    def seal(self) -> None:
        if self._seal is None:
            self._seal = _Seal(self._source.current_file)

    def switch(self) -> None:
        if self._seal is None:
            raise StoreUnavailable(f"{self._first}: not sealed, so writes could be lost; seal it first")
        self._target.flush()
        self._seal.end_with_successor(self._target_file.name)
        self._seal = None
        self._switched = True
        try:
            tidy_up(self._first, self._target_file)
        except (RagError, OSError) as error:
            log.warning("%s: switched, but the old data are still there: %s", self._first, error)

    def close(self) -> None:
        if self._seal is not None:
            self._seal.end()
            self._seal = None
        with self._release:  # only once: afterwards another rebuild may use the same name
            self._release = contextlib.ExitStack()
            self._target.close()
            if not self._switched:
                remove_generation(self._target_file)


class _Seal:
    """The file's write lock, so it ends with this process, however that ends."""

    def __init__(self, file: Path) -> None:
        self._file = file
        with contextlib.ExitStack() as held:
            database = WriteConnection(file, _BUSY_TIMEOUT)
            held.callback(database.close)
            self._connection = held.enter_context(database.outside_transaction())
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("BEGIN IMMEDIATE")
            self._held = held.pop_all()

    def end_with_successor(self, name: str) -> None:
        """The commit is the switch."""
        with translated(self._file):
            self._connection.execute("UPDATE counters SET superseded_by = ?", [name])
            self._connection.execute("COMMIT")
        self._held.close()

    def end(self) -> None:
        with self._held, translated(self._file):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


@contextlib.contextmanager
def _only_rebuild(first: Path) -> Iterator[None]:
    """The lock ends with the process, however that ends; its file stays."""
    descriptor = os.open(first.with_name(first.name + ".rebuild-lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"FAISS_PATH={first}: another rebuild of this store is running; wait for its end"
            ) from None
        yield
    finally:
        os.close(descriptor)
