"""The API answers before its store can be opened; this stands in the store's place from the beginning."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

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
)
from shared.errors import StoreUnavailable
from shared.ports import EmbeddedDocument, VectorStore

if TYPE_CHECKING:
    from shared.ports import Embedding, Embeddings


class StoreToCome:
    """The port of the store that ``arrive`` brings; until then every call raises ``StoreUnavailable``."""

    def __init__(self) -> None:
        self._store: VectorStore | None = None

    def arrive(self, store: VectorStore) -> None:
        """From now on every call goes to ``store``, and ``close`` closes it."""
        self._store = store

    def replace(self, documents: Sequence[EmbeddedDocument]) -> list[WriteOutcome]:
        return self._opened().replace(documents)

    def delete(self, document_id: str, version: Version) -> WriteOutcome:
        return self._opened().delete(document_id, version)

    def flush(self) -> None:
        self._opened().flush()

    def content_hashes(self, document_ids: Sequence[str]) -> dict[str, frozenset[str]]:
        return self._opened().content_hashes(document_ids)

    def get_many(self, document_ids: Sequence[str]) -> dict[str, StoredDocument]:
        return self._opened().get_many(document_ids)

    def embeddings(self, document_ids: Sequence[str]) -> dict[str, Embeddings]:
        return self._opened().embeddings(document_ids)

    def search(self, embedding: Embedding, top_k: int, where: SearchFilter | None = None) -> list[Hit]:
        return self._opened().search(embedding, top_k, where)

    def nearest(self, embedding: Embedding, top_k: int, where: SearchFilter | None = None) -> list[Match]:
        return self._opened().nearest(embedding, top_k, where)

    def changes(self, after: str | None, limit: int) -> ChangePage:
        return self._opened().changes(after, limit)

    def stats(self) -> StoreStats:
        return self._opened().stats()

    def footprint(self) -> StoreFootprint:
        return self._opened().footprint()

    def purge(self, max_age: timedelta | None, max_chunks: int | None) -> int:
        return self._opened().purge(max_age, max_chunks)

    def expire_tombstones(self, older_than: timedelta) -> int:
        return self._opened().expire_tombstones(older_than)

    def close(self) -> None:
        if self._store is not None:
            self._store.close()

    def _opened(self) -> VectorStore:
        if self._store is None:
            raise StoreUnavailable("the vector store is not open yet; the log says what it waits for")
        return self._store
