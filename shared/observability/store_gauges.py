"""What the store tells of itself → its gauges."""

from __future__ import annotations

from datetime import datetime

from shared.errors import StoreUnavailable
from shared.observability.metrics import StoreMetrics
from shared.ports import VectorStore


def refresh_store_gauges(store: VectorStore, metrics: StoreMetrics) -> None:
    """Ask it now. While it is away its gauges are absent, rather than wrong.

    :raises StoreUnavailable: it is away.
    """
    try:
        stats, footprint = store.stats(), store.footprint()
    except StoreUnavailable:
        metrics.up.set(0)
        for gauge in (
            metrics.index_documents,
            metrics.index_chunks,
            metrics.index_tombstones,
            metrics.last_write,
            metrics.as_of,
            metrics.used_bytes,
            metrics.limit_bytes,
        ):
            gauge.set(None)
        raise
    metrics.up.set(1)
    metrics.index_documents.set(stats.documents)
    metrics.index_chunks.set(stats.chunks)
    metrics.index_tombstones.set(stats.tombstones)
    metrics.last_write.set(_seconds(stats.last_indexed_at))
    metrics.as_of.set(_seconds(stats.as_of))
    metrics.used_bytes.set(footprint.used_bytes)
    metrics.limit_bytes.set(footprint.limit_bytes)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
