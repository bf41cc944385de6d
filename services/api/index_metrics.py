"""The store's counts as gauges, read when Prometheus asks."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.errors import StoreUnavailable
from shared.ports import VectorStore


class IndexMetrics(Collector):
    """While the store is away its gauges are absent, rather than wrong."""

    def __init__(self, store: VectorStore) -> None:
        self._store = store

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        try:
            stats = self._store.stats()
        except StoreUnavailable:
            return
        yield GaugeMetricFamily("rag_index_documents", "Live documents in the store.", stats.documents)
        yield GaugeMetricFamily("rag_index_chunks", "Chunks in the store.", stats.chunks)
        yield GaugeMetricFamily("rag_index_tombstones", "Deleted documents remembered.", stats.tombstones)
        if stats.last_indexed_at is not None:
            yield GaugeMetricFamily(
                "rag_last_indexed_timestamp_seconds",
                "Time of the last store write.",
                stats.last_indexed_at.timestamp(),
            )
        if stats.as_of is not None:
            yield GaugeMetricFamily(
                "rag_index_as_of_timestamp_seconds",
                "Newest event time that the store reflects.",
                stats.as_of.timestamp(),
            )
