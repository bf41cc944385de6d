"""The store: three connections to one file, and an index that follows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from shared.clock import SystemClock
from shared.domain import (
    ChangePage,
    Hit,
    SearchFilter,
    StoredDocument,
    StoreStats,
    Version,
    WriteOutcome,
    epoch_milliseconds,
    truncate_to_milliseconds,
)
from shared.ports import Clock, EmbeddedDocument
from shared.vector_store import laws
from shared.vector_store.faiss_store import ranking, reads, writes
from shared.vector_store.faiss_store.database import Database, usable_path
from shared.vector_store.faiss_store.recipe import IndexRecipe
from shared.vector_store.faiss_store.schema import new_meta, prepare
from shared.vector_store.faiss_store.tail import Tail

if TYPE_CHECKING:
    from shared.ports import Embedding

_STEP = 500  # documents per transaction, so that other writers get their turn


class FaissStore:
    """Exact for ``index_description="Flat"``. For an approximate index the ranking is approximate, but
    scores are exact, and filters and the number of hits keep the port's laws.

    The index is loaded by the first search (or by ``warm_up``), not by opening.
    """

    def __init__(
        self,
        file: Path,
        *,
        embedder_name: str,
        dimension: int,
        index_description: str = "Flat",
        clock: Clock | None = None,
        busy_timeout: float = 10.0,
    ) -> None:
        """``busy_timeout`` in seconds: how long a write waits for other processes' writes.

        :raises ConfigurationError: the path or the index cannot be used; ``StoreMismatch``: the store
            was built with another embedder.
        :raises StoreDamaged: the file is not a healthy store.
        """
        recipe = IndexRecipe(index_description, dimension)
        usable_path(file)
        self._dimension = dimension
        self._clock: Clock = clock or SystemClock()
        self._writer = Database(file, busy_timeout)
        self._lookups = Database(file, busy_timeout)
        self._searcher = Database(file, busy_timeout)
        try:
            meta = prepare(self._writer, file, new_meta(embedder_name, dimension), busy_timeout)
        except BaseException:
            self.close()
            raise
        self._store_id = meta.store_id
        self._tail = Tail(file, recipe, dimension)

    def warm_up(self) -> None:
        """Load the index now, so that the first search need not."""
        with self._searcher.read() as connection:
            self._tail.refreshed(connection)

    def replace(self, documents: Sequence[EmbeddedDocument]) -> list[WriteOutcome]:
        items = [laws.checked(item, self._dimension) for item in documents]
        with self._writer.write() as connection:
            now = epoch_milliseconds(self._clock.now())
            return [writes.replace_document(connection, item, now) for item in items]

    def flush(self) -> None:
        with self._writer.outside_transaction():
            pass  # each commit is synchronous

    def delete(self, document_id: str, version: Version) -> WriteOutcome:
        with self._writer.write() as connection:
            now = epoch_milliseconds(self._clock.now())
            return writes.delete_document(connection, document_id, laws.truncated(version), now)

    def content_hashes(self, document_ids: Sequence[str]) -> dict[str, frozenset[str]]:
        with self._lookups.read() as connection:
            return reads.content_hashes(connection, document_ids)

    def get(self, document_id: str) -> StoredDocument | None:
        with self._lookups.read() as connection:
            return reads.get_document(connection, document_id)

    def search(self, embedding: Embedding, top_k: int, where: SearchFilter | None = None) -> list[Hit]:
        laws.checked_count("top_k", top_k)
        query = laws.checked_embedding(embedding, self._dimension)
        with self._searcher.read() as connection:
            index = self._tail.refreshed(connection)
            return ranking.best_hits(connection, index, query, top_k, where)

    def changes(self, after: str | None, limit: int) -> ChangePage:
        laws.checked_count("limit", limit)
        with self._lookups.read() as connection:
            return reads.change_page(connection, self._store_id, after, limit)

    def stats(self) -> StoreStats:
        with self._lookups.read() as connection:
            return reads.store_stats(connection, self._now())

    def purge(self, max_age: timedelta | None, max_chunks: int | None) -> int:
        now = self._now()
        older_than = (
            None if max_age is None else epoch_milliseconds(now) - max_age // timedelta(milliseconds=1)
        )
        removed = 0
        while True:
            with self._writer.write() as connection:
                batch = writes.purge_batch(connection, older_than, max_chunks, _STEP, epoch_milliseconds(now))
            removed += batch
            if batch < _STEP:
                return removed

    def expire_tombstones(self, older_than: timedelta) -> int:
        removed_before = epoch_milliseconds(self._now()) - older_than // timedelta(milliseconds=1)
        expired = 0
        while True:
            with self._writer.write() as connection:
                batch = writes.expire_batch(connection, removed_before, _STEP)
            expired += batch
            if batch < _STEP:
                return expired

    def close(self) -> None:
        for database in (self._searcher, self._lookups, self._writer):
            database.close()

    def _now(self) -> datetime:
        return truncate_to_milliseconds(self._clock.now())
