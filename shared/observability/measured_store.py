"""The vector store port, each call measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, ParamSpec, TypeVar

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
from shared.errors import StoreUnavailable, WritesLost
from shared.observability.metrics import STORE_OPERATIONS, StoreMetrics
from shared.ports import EmbeddedDocument, VectorStore

if TYPE_CHECKING:
    from shared.ports import Embedding, Embeddings

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class MeasuredStore:
    """``store``, for whoever calls it. ``system``: what VECTOR_STORE names."""

    def __init__(self, store: VectorStore, metrics: StoreMetrics, system: str) -> None:
        self._store = store
        metrics.initialise(system)
        self._durations = {name: metrics.operation_duration.labels(system, name) for name in STORE_OPERATIONS}
        self._errors = {name: metrics.errors.labels(name) for name in STORE_OPERATIONS}

    def replace(self, documents: Sequence[EmbeddedDocument]) -> list[WriteOutcome]:
        return self._measured("replace", self._store.replace, documents)

    def delete(self, document_id: str, version: Version) -> WriteOutcome:
        return self._measured("delete", self._store.delete, document_id, version)

    def flush(self) -> None:
        self._measured("flush", self._store.flush)

    def content_hashes(self, document_ids: Sequence[str]) -> dict[str, frozenset[str]]:
        return self._measured("content_hashes", self._store.content_hashes, document_ids)

    def get_many(self, document_ids: Sequence[str]) -> dict[str, StoredDocument]:
        return self._measured("get_many", self._store.get_many, document_ids)

    def embeddings(self, document_ids: Sequence[str]) -> dict[str, Embeddings]:
        return self._measured("embeddings", self._store.embeddings, document_ids)

    def search(self, embedding: Embedding, top_k: int, where: SearchFilter | None = None) -> list[Hit]:
        return self._measured("search", self._store.search, embedding, top_k, where)

    def nearest(self, embedding: Embedding, top_k: int, where: SearchFilter | None = None) -> list[Match]:
        return self._measured("nearest", self._store.nearest, embedding, top_k, where)

    def changes(self, after: str | None, limit: int) -> ChangePage:
        return self._measured("changes", self._store.changes, after, limit)

    def stats(self) -> StoreStats:
        return self._measured("stats", self._store.stats)

    def footprint(self) -> StoreFootprint:
        return self._measured("footprint", self._store.footprint)

    def purge(self, max_age: timedelta | None, max_chunks: int | None) -> int:
        return self._measured("purge", self._store.purge, max_age, max_chunks)

    def expire_tombstones(self, older_than: timedelta) -> int:
        return self._measured("expire_tombstones", self._store.expire_tombstones, older_than)

    def close(self) -> None:
        self._store.close()

    def _measured(
        self,
        operation: str,
        call: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        start = time.perf_counter()
        try:
            result = call(*args, **kwargs)
        except (StoreUnavailable, WritesLost):
            self._errors[operation].inc()
            raise
        self._durations[operation].observe(time.perf_counter() - start)
        return result
