"""The store: its current generation, and an index that follows it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from shared.clock import SystemClock
from shared.domain import (
    ChangePage,
    Hit,
    Match,
    SearchFilter,
    StoredDocument,
    StoreFootprint,
    StoreStats,
    Version,
    WriteOutcome,
    epoch_milliseconds,
    truncate_to_milliseconds,
)
from shared.errors import StoreUnavailable
from shared.ports import Clock, EmbeddedDocument
from shared.vector_store import laws
from shared.vector_store.faiss_store import reads, retention, writes
from shared.vector_store.faiss_store.database import ConnectionsClosed, usable_path
from shared.vector_store.faiss_store.footprint import footprint_of
from shared.vector_store.faiss_store.generation import Generation, open_current
from shared.vector_store.faiss_store.plan import AUTO, FLAT_UP_TO, IndexPlan
from shared.vector_store.faiss_store.ranking import Ranking
from shared.vector_store.faiss_store.schema import Meta, Superseded, check_match, new_meta

if TYPE_CHECKING:
    from shared.ports import Embedding, Embeddings

Result = TypeVar("Result")
Found = TypeVar("Found", Hit, Match)

_LONGEST_PAUSE = 0.1  # seconds: SQLite lets a writer that waits for another sleep that long


class FaissStore:
    """Exact while the index is. With another one scores are exact still, and filters and the number of
    hits keep the port's laws, but now and then a chunk may be missed that would have been a hit.

    The index is loaded by the first search (or by ``warm_up``), not by opening. After a rebuild each
    call goes to the new generation.
    """

    def __init__(
        self,
        file: Path,
        *,
        embedder_name: str,
        dimension: int,
        index_description: str = AUTO,
        flat_up_to: int = FLAT_UP_TO,
        clock: Clock | None = None,
        busy_timeout: float = 10.0,
    ) -> None:
        """``busy_timeout`` in seconds: how long a write waits for other processes' writes.

        :raises ConfigurationError: the path or the index cannot be used; ``StoreMismatch``: the store
            was built with another embedder.
        :raises StoreDamaged: the file is not a healthy store.
        """
        self._plan = IndexPlan(index_description, dimension, flat_up_to=flat_up_to)
        usable_path(file)
        self._file = file
        self._embedder_name = embedder_name
        self._dimension = dimension
        self._clock: Clock = clock or SystemClock()
        self._busy_timeout = busy_timeout
        self._switching = threading.Lock()
        self._closed = False
        self._generation = self._open_current()

    @property
    def current_file(self) -> Path:
        """That of the generation which this object used last."""
        return self._generation.file

    def warm_up(self) -> None:
        """Load the index now, in the kind that fits, so that the first search need not."""
        self._on_current(_load)
        self._generation.settle()
        self._on_current(_load)

    def replace(self, documents: Sequence[EmbeddedDocument]) -> list[WriteOutcome]:
        items = [laws.checked(item, self._dimension) for item in documents]

        def write(generation: Generation) -> list[WriteOutcome]:
            with generation.write() as connection:
                now = self._milliseconds()
                return [writes.replace_document(connection, item, now) for item in items]

        return self._on_current(write)

    def delete(self, document_id: str, version: Version) -> WriteOutcome:
        version = laws.truncated(version)

        def write(generation: Generation) -> WriteOutcome:
            with generation.write() as connection:
                return writes.delete_document(connection, document_id, version, self._milliseconds())

        return self._on_current(write)

    def flush(self) -> None:
        self._on_current(_sync)

    def content_hashes(self, document_ids: Sequence[str]) -> dict[str, frozenset[str]]:
        def read(generation: Generation) -> dict[str, frozenset[str]]:
            with generation.read() as connection:
                return reads.content_hashes(connection, document_ids)

        return self._on_current(read)

    def get_many(self, document_ids: Sequence[str]) -> dict[str, StoredDocument]:
        def read(generation: Generation) -> dict[str, StoredDocument]:
            with generation.read() as connection:
                return reads.live_documents(connection, document_ids)

        return self._on_current(read)

    def embeddings(self, document_ids: Sequence[str]) -> dict[str, Embeddings]:
        def read(generation: Generation) -> dict[str, Embeddings]:
            with generation.read() as connection:
                return reads.embeddings(connection, generation.file, generation.meta.dimension, document_ids)

        return self._on_current(read)

    def search(self, embedding: Embedding, top_k: int, where: SearchFilter | None = None) -> list[Hit]:
        return self._ranked(embedding, lambda ranking: ranking.hits(top_k, where), top_k)

    def nearest(self, embedding: Embedding, top_k: int, where: SearchFilter | None = None) -> list[Match]:
        return self._ranked(embedding, lambda ranking: ranking.matches(top_k, where), top_k)

    def _ranked(
        self, embedding: Embedding, rank: Callable[[Ranking], list[Found]], top_k: int
    ) -> list[Found]:
        laws.checked_count("top_k", top_k)
        query = laws.checked_embedding(embedding, self._dimension)

        def read(generation: Generation) -> list[Found]:
            with generation.view() as (connection, view):
                return rank(Ranking(connection, generation.file, view, query))

        return self._on_current(read)

    def changes(self, after: str | None, limit: int) -> ChangePage:
        laws.checked_count("limit", limit)

        def read(generation: Generation) -> ChangePage:
            with generation.read() as connection:
                return reads.change_page(connection, generation.meta.store_id, after, limit)

        return self._on_current(read)

    def stats(self) -> StoreStats:
        def read(generation: Generation) -> StoreStats:
            with generation.read() as connection:
                return reads.store_stats(connection, truncate_to_milliseconds(self._clock.now()))

        return self._on_current(read)

    def footprint(self) -> StoreFootprint:
        def read(generation: Generation) -> StoreFootprint:
            with generation.read():
                return footprint_of(generation.file)

        return self._on_current(read)

    def purge(self, max_age: timedelta | None, max_chunks: int | None) -> int:
        now = self._milliseconds()
        older_than = None if max_age is None else now - max_age // timedelta(milliseconds=1)

        def step(generation: Generation) -> int:
            with generation.write() as connection:
                return retention.purge_step(connection, older_than, max_chunks, now)

        return self._in_steps(step)

    def expire_tombstones(self, older_than: timedelta) -> int:
        removed_before = self._milliseconds() - older_than // timedelta(milliseconds=1)

        def step(generation: Generation) -> int:
            with generation.write() as connection:
                return retention.expire_step(connection, removed_before)

        return self._in_steps(step)

    def close(self) -> None:
        with self._switching:
            self._closed = True
        self._generation.close()

    def _in_steps(self, step: Callable[[Generation], int]) -> int:
        """Until a step does nothing; then give the space on disk back, in steps too."""
        total = 0
        while done := self._with_pause_after(step):
            total += done
        while total and self._with_pause_after(retention.give_back_step):
            pass
        return total

    def _with_pause_after(self, step: Callable[[Generation], int]) -> int:
        """Half of the time is everybody else's."""
        started = time.monotonic()
        done = self._on_current(step)
        if done:
            time.sleep(min(time.monotonic() - started, _LONGEST_PAUSE))
        return done

    def _on_current(self, call: Callable[[Generation], Result]) -> Result:
        while True:
            generation = self._generation
            try:
                return call(generation)
            except Superseded:
                self._switch_from(generation)
            except ConnectionsClosed:
                if generation is self._generation:
                    raise

    def _switch_from(self, old: Generation) -> None:
        """:raises StoreMismatch: the new generation is another embedder's; so will each later call."""
        with self._switching:
            if self._generation is not old:
                return
            if self._closed:
                raise StoreUnavailable(f"{self._file}: the vector store is closed")
            self._generation = self._open_current()
        old.close()

    def _open_current(self) -> Generation:
        to_create = new_meta(self._embedder_name, self._dimension)
        generation = open_current(self._file, to_create, self._busy_timeout)
        try:
            self._check(generation.meta)
        except BaseException:
            generation.close()
            raise
        generation.follow(self._plan)
        return generation

    def _check(self, meta: Meta) -> None:
        check_match(meta, self._embedder_name, self._dimension, self._file)

    def _milliseconds(self) -> int:
        return epoch_milliseconds(truncate_to_milliseconds(self._clock.now()))


def _sync(generation: Generation) -> None:
    with generation.read():  # what was written to an older one is in this one, by the rebuild's seal
        generation.writer.sync()


def _load(generation: Generation) -> None:
    with generation.view():
        pass
