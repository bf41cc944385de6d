"""The vector store as its clients see it; the same for every adapter, and without an exporter of its own."""

from __future__ import annotations

from shared.observability.metrics import buckets
from shared.observability.metrics.declaration import (
    DeclaredCounter,
    DeclaredGauge,
    DeclaredHistogram,
    DeclaredOptionalGauge,
    Label,
    MetricGroup,
)

STORE_OPERATIONS = (
    "replace",
    "delete",
    "flush",
    "content_hashes",
    "get_many",
    "embeddings",
    "search",
    "nearest",
    "changes",
    "stats",
    "footprint",
    "purge",
    "expire_tombstones",
)

_OPERATION = Label("db_operation_name", STORE_OPERATIONS)
_WHILE_AWAY = "while the store is away"
_WHILE_AWAY_OR_EMPTY = "while the store is away or empty"


class StoreMetrics(MetricGroup):
    operation_duration = DeclaredHistogram(
        "db_client_operation_duration_seconds",
        "Calls of the vector store that succeeded, by the operations of its port.",
        "seconds",
        (Label("db_system_name", bound="VECTOR_STORE: faiss, redis or memory"), _OPERATION),
        buckets=buckets.DATABASE,
    )
    errors = DeclaredCounter(
        "rag_store_errors_total",
        "Calls of the vector store that failed because it is away or has lost writes.",
        "calls",
        (_OPERATION,),
    )
    up = DeclaredGauge(
        "rag_store_up",
        "1: the store answered when it was last asked, by the API at each scrape, by the processor every 5 s."
        " 0: it did not, or is not open yet.",
        "",
    )
    used_bytes = DeclaredOptionalGauge(
        "rag_store_used_bytes",
        "What the store takes. Redis: memory, of all masters that hold a shard. FAISS: its files on disk.",
        "bytes",
        absent=_WHILE_AWAY,
    )
    limit_bytes = DeclaredOptionalGauge(
        "rag_store_limit_bytes",
        "What it may take. Redis: maxmemory, of the same masters. FAISS: its files and what is free on their"
        " disk.",
        "bytes",
        absent=f"{_WHILE_AWAY}, and where nothing limits it",
    )
    index_documents = DeclaredOptionalGauge(
        "rag_index_documents", "Live documents in the store.", "documents", absent=_WHILE_AWAY
    )
    index_chunks = DeclaredOptionalGauge(
        "rag_index_chunks", "Chunks in the store.", "chunks", absent=_WHILE_AWAY
    )
    index_tombstones = DeclaredOptionalGauge(
        "rag_index_tombstones", "Deleted documents remembered.", "documents", absent=_WHILE_AWAY
    )
    last_write = DeclaredOptionalGauge(
        "rag_index_last_write_timestamp_seconds",
        "Time of the store's last write, whichever process wrote.",
        "seconds since 1970",
        absent=_WHILE_AWAY_OR_EMPTY,
    )
    as_of = DeclaredOptionalGauge(
        "rag_index_as_of_timestamp_seconds",
        "Newest event time that the store reflects.",
        "seconds since 1970",
        absent=_WHILE_AWAY_OR_EMPTY,
    )

    def initialise(self, system: str) -> None:
        """``system``: what VECTOR_STORE names."""
        for operation in STORE_OPERATIONS:
            self.operation_duration.labels(system, operation)
