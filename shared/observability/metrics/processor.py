"""What the processor tells of the way from Kafka into the store."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from shared.observability.metrics import buckets
from shared.observability.metrics.declaration import (
    DeclaredCounter,
    DeclaredGauge,
    DeclaredHistogram,
    DeclaredOptionalGauge,
    Label,
    MetricGroup,
)
from shared.observability.metrics.messaging import ClientMetrics, ConsumerMetrics, DeadLetterMetrics
from shared.observability.metrics.models import EmbeddingMetrics, ModelOperations
from shared.observability.metrics.process import ProcessMetrics, TraceMetrics
from shared.observability.metrics.store import StoreMetrics

INGEST_RESULTS = ("indexed", "deleted", "duplicate", "stale", "invalid")
RETENTION_KINDS = ("purged", "tombstones")
SOURCES = ("wikimedia", "api", "other")

_SOURCE = Label("source", SOURCES)


def known_source(source: str) -> str:
    """Whoever pushes a document names its source, so that anything may stand there."""
    return source if source in SOURCES else "other"


class ProcessorMetrics(MetricGroup):
    consumed = DeclaredCounter(
        "messaging_client_consumed_messages_total", "Records read from Kafka.", "records"
    )
    documents = DeclaredCounter(
        "rag_ingest_documents_total",
        "Records by what became of them.",
        "records",
        (Label("result", INGEST_RESULTS),),
    )
    freshness = DeclaredHistogram(
        "rag_ingest_end_to_end_seconds",
        "From the event at its source to searchable, or no longer so; what was written by this process.",
        "seconds",
        (_SOURCE,),
        buckets=buckets.FRESHNESS,
        has_exemplars=True,
    )
    last_indexed = DeclaredOptionalGauge(
        "rag_last_indexed_timestamp_seconds",
        "Time at which this process last wrote a document of the source.",
        "seconds since 1970",
        (_SOURCE,),
        absent="until then",
    )
    batch_duration = DeclaredHistogram(
        "messaging_process_duration_seconds",
        "Time to process a batch of records, from before they are embedded until they are written.",
        "seconds",
        buckets=buckets.STAGE,
        has_exemplars=True,
    )
    chunks_reused = DeclaredCounter(
        "rag_chunks_reused_total",
        "Chunks whose text had not changed and which were not embedded again.",
        "chunks",
    )
    lag = DeclaredOptionalGauge(
        "rag_consumer_lag_messages",
        "Records of the partition that this process has not read yet. The consumer itself says so: while"
        " nobody holds a partition, nobody tells its lag; see rag_consumer_assigned_partitions.",
        "records",
        (Label("topic", bound="KAFKA_TOPIC"), Label("partition", bound="0 to KAFKA_PARTITIONS - 1")),
        absent="for partitions that this process does not hold",
    )
    partitions = DeclaredGauge(
        "rag_consumer_assigned_partitions", "Partitions that this process reads.", "partitions"
    )
    blocked = DeclaredGauge(
        "rag_ingest_blocked",
        "1 while nothing is taken in: a dependency is away, or there were too many dead letters.",
        "",
    )
    retries = DeclaredCounter(
        "rag_ingest_retries_total", "Attempts that failed because a dependency was away.", "attempts"
    )
    writes_lost = DeclaredCounter(
        "rag_store_writes_lost_total",
        "Times that the store lost writes, so that records were read and written again.",
        "times",
    )
    dead_letter_halt = DeclaredGauge(
        "rag_dlq_halted",
        "1 once intake has ended because more dead letters came than DLQ_MAX_SHARE allows.",
        "",
    )
    retention_removed = DeclaredCounter(
        "rag_retention_removed_total",
        "Documents purged by MAX_AGE and MAX_CHUNKS, and tombstones expired.",
        "documents",
        (Label("kind", RETENTION_KINDS),),
    )

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.process = ProcessMetrics(registry, "processor")
        self.traces = TraceMetrics(registry)
        self.client = ClientMetrics(registry)
        self.consumer = ConsumerMetrics(registry)
        self.dead_letters = DeadLetterMetrics(registry).letters
        self.store = StoreMetrics(registry)
        self.models = ModelOperations(registry)
        self.embedding_batch_size = EmbeddingMetrics(registry).batch_size
