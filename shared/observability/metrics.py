"""Every metric, declared once: name, unit, labels, buckets.

One class for each service; instances register on an injected registry, so tests never share state.
Names follow Prometheus (base units, ``_total``); ids, titles and questions are never labels. Label sets
are initialised at start, so that no panel is empty before the first event.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from shared.errors import InvalidReason

_FRESHNESS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)
_STAGE = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

STAGES = ("cache", "embed", "retrieve", "rerank", "weigh", "prompt", "generate", "ground")
INGEST_RESULTS = ("indexed", "deleted", "duplicate", "stale", "invalid")
CACHE_LOOKUPS = ("hit", "miss", "invalidated")
RETENTION_KINDS = ("purged", "tombstones")
LLM_STATES = ("loading", "closed", "open", "half_open")
LLM_FAILURES = ("unavailable", "refused", "loading", "circuit_open", "queue_full", "queue_timeout")
DROP_REASONS = ("canary", "filtered", "no_effect", "page_gone", "duplicate")


def _dead_letters(registry: CollectorRegistry) -> Counter:
    counter = Counter(
        "rag_dlq_messages_total",
        "Records sent to the dead letter topic, by reason.",
        ["reason"],
        registry=registry,
    )
    for reason in InvalidReason:
        counter.labels(reason.value)
    return counter


class ProducerMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        ProcessCollector(registry=registry)
        self.events_received = Counter(
            "rag_source_events_total", "Events read from the source stream.", registry=registry
        )
        self.events_dropped = Counter(
            "rag_source_dropped_total",
            "Events that are not documents of interest, by reason.",
            ["reason"],
            registry=registry,
        )
        for reason in DROP_REASONS:
            self.events_dropped.labels(reason)
        self.sent = Counter(
            "messaging_client_sent_messages_total",
            "Document events acknowledged by the broker.",
            registry=registry,
        )
        self.reconnects = Counter(
            "rag_source_reconnects_total",
            "Connections to the source after the first.",
            registry=registry,
        )
        self.stale_cursors = Counter(
            "rag_source_stale_cursors_total",
            "Times that the source no longer knew our position, so that events may have been skipped.",
            registry=registry,
        )
        self.enrich_duration = Histogram(
            "rag_source_enrich_duration_seconds",
            "Time to fetch a page's text.",
            buckets=_STAGE,
            registry=registry,
        )
        self.enrich_failures = Counter(
            "rag_source_enrich_failures_total",
            "Pages sent with title and comment only, because their text could not be fetched.",
            registry=registry,
        )
        self.last_event_time = Gauge(
            "rag_source_last_event_timestamp_seconds",
            "Time of the newest event read, as the source stamped it.",
            registry=registry,
        )
        self.dead_letters = _dead_letters(registry)


class ProcessorMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        ProcessCollector(registry=registry)
        self.consumed = Counter(
            "messaging_client_consumed_messages_total",
            "Records read from Kafka.",
            registry=registry,
        )
        self.documents = Counter(
            "rag_ingest_documents_total",
            "Records by what became of them.",
            ["result"],
            registry=registry,
        )
        for result in INGEST_RESULTS:
            self.documents.labels(result)
        self.freshness = Histogram(
            "rag_ingest_end_to_end_seconds",
            "From the event at its source to searchable.",
            buckets=_FRESHNESS,
            registry=registry,
        )
        self.batch_duration = Histogram(
            "messaging_process_duration_seconds",
            "Time to process one batch of records.",
            buckets=_STAGE,
            registry=registry,
        )
        self.embedding_batch_size = Histogram(
            "rag_embedding_batch_size",
            "Chunks embedded in one call.",
            buckets=_BATCH,
            registry=registry,
        )
        self.chunks_reused = Counter(
            "rag_chunks_reused_total",
            "Chunks whose text had not changed and which were not embedded again.",
            registry=registry,
        )
        self.lag = Gauge(
            "rag_consumer_lag_messages",
            "Records not yet read, by partition.",
            ["topic", "partition"],
            registry=registry,
        )
        self.last_indexed = Gauge(
            "rag_last_indexed_timestamp_seconds", "Time of the last store write.", registry=registry
        )
        self.index_documents = Gauge("rag_index_documents", "Live documents in the store.", registry=registry)
        self.index_chunks = Gauge("rag_index_chunks", "Chunks in the store.", registry=registry)
        self.retries = Counter(
            "rag_ingest_retries_total",
            "Batches held back because a dependency was away.",
            registry=registry,
        )
        self.writes_lost = Counter(
            "rag_store_writes_lost_total",
            "Times that the store lost writes, so that records were read and written again.",
            registry=registry,
        )
        self.dead_letter_halt = Gauge(
            "rag_dlq_halted",
            "1 once intake has ended because more dead letters came than DLQ_MAX_SHARE allows.",
            registry=registry,
        )
        self.retention_removed = Counter(
            "rag_retention_removed_total",
            "Documents purged by MAX_AGE and MAX_CHUNKS, and tombstones expired.",
            ["kind"],
            registry=registry,
        )
        for kind in RETENTION_KINDS:
            self.retention_removed.labels(kind)
        self.dead_letters = _dead_letters(registry)


class ApiMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        ProcessCollector(registry=registry)
        self.http_duration = Histogram(
            "http_server_request_duration_seconds",
            "HTTP requests by route and status.",
            ["http_request_method", "http_route", "http_response_status_code"],
            buckets=_STAGE,
            registry=registry,
        )
        self.requests = Counter("rag_requests_total", "Questions by outcome.", ["outcome"], registry=registry)
        for outcome in ("answered", "no_context", "degraded", "error", "abandoned"):
            self.requests.labels(outcome)
        self.request_duration = Histogram(
            "rag_request_duration_seconds",
            "Time to answer a question.",
            buckets=_STAGE,
            registry=registry,
        )
        self.stage_duration = Histogram(
            "rag_stage_duration_seconds",
            "Time of each stage of an answer.",
            ["stage"],
            buckets=_STAGE,
            registry=registry,
        )
        for stage in STAGES:
            self.stage_duration.labels(stage)
        self.embedding_batch_size = Histogram(
            "rag_embedding_batch_size",
            "Texts of concurrent questions embedded in one call.",
            buckets=_BATCH,
            registry=registry,
        )
        self.cache_lookups = Counter(
            "rag_answer_cache_lookups_total",
            "Questions looked up among the kept answers; invalidated: kept, but the index has changed.",
            ["result"],
            registry=registry,
        )
        for lookup in CACHE_LOOKUPS:
            self.cache_lookups.labels(lookup)
        self.cached_answers = Gauge("rag_answer_cache_entries", "Answers kept.", registry=registry)
        self.watches = Gauge("rag_watches", "Standing questions.", registry=registry)
        self.watch_events = Counter(
            "rag_watch_events_total", "Evidence that standing questions were told of.", registry=registry
        )
        self.top_score = Histogram(
            "rag_retrieval_top_score",
            "Similarity of the best evidence.",
            buckets=tuple(step / 20 for step in range(1, 21)),
            registry=registry,
        )
        self.sentences_replaced = Counter(
            "rag_answer_sentences_replaced_total",
            "Generated sentences that no passage supported and that a quote replaced.",
            registry=registry,
        )


class LLMMetrics:
    """Of the guard around the language model; of a process that has one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.state = Gauge(
            "rag_llm_state",
            "1 for the state that the language model is in: loading, or that of its circuit breaker.",
            ["state"],
            registry=registry,
        )
        for state in LLM_STATES:
            self.state.labels(state)
        self.active = Gauge("rag_llm_active", "Answers being written.", registry=registry)
        self.waiting = Gauge(
            "rag_llm_waiting",
            "Questions that wait for their turn with the language model.",
            registry=registry,
        )
        self.failures = Counter(
            "rag_llm_failures_total",
            "Questions that the language model did not answer to the end, by reason.",
            ["reason"],
            registry=registry,
        )
        for reason in LLM_FAILURES:
            self.failures.labels(reason)
        self.retries = Counter(
            "rag_llm_retries_total", "Further attempts before an answer's first piece.", registry=registry
        )
        self.first_token = Histogram(
            "rag_llm_first_token_seconds",
            "From asking the language model, its queue included, to the first piece of its answer.",
            buckets=_STAGE,
            registry=registry,
        )
        self.tokens = Counter(
            "rag_llm_tokens_total",
            "Tokens as the language model counted them, of the answers that were read to the end.",
            ["kind"],
            registry=registry,
        )
        for kind in ("input", "output"):
            self.tokens.labels(kind)
