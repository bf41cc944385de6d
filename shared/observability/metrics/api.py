"""What the API tells of requests, questions and answers."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from shared.observability.metrics import buckets
from shared.observability.metrics.declaration import (
    DeclaredCounter,
    DeclaredGauge,
    DeclaredHistogram,
    Label,
    MetricGroup,
)
from shared.observability.metrics.messaging import ClientMetrics, SendingMetrics
from shared.observability.metrics.models import EmbeddingMetrics, LLMMetrics
from shared.observability.metrics.process import ProcessMetrics, TraceMetrics
from shared.observability.metrics.store import StoreMetrics

OUTCOMES = ("answered", "no_context", "degraded", "error", "abandoned")
STAGES = ("cache", "embed", "retrieve", "rerank", "weigh", "read", "prompt", "generate", "ground")
READINGS = ("answer", "no_answer", "too_long", "failed")
CACHE_LOOKUPS = ("hit", "miss", "invalidated")
INVALID_CITATIONS = ("unknown_passage", "source_changed")
OTHER_METHOD = "_OTHER"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER_METHOD)
NO_ROUTE = "unmatched"


class ApiMetrics(MetricGroup):
    http_duration = DeclaredHistogram(
        "http_server_request_duration_seconds",
        "Requests, to the end of their response, however long it streams. From the start: each route under"
        " /v1 with the status of its success.",
        "seconds",
        (
            Label("http_request_method", bound=", ".join(METHODS)),
            Label("http_route", bound=f'the templates of our routes, "{NO_ROUTE}" for all else'),
            Label("http_response_status_code", bound="what the API answers"),
        ),
        buckets=buckets.STAGE,
        has_exemplars=True,
    )
    http_active = DeclaredGauge(
        "http_server_active_requests",
        "Requests that are being answered.",
        "requests",
        (Label("http_request_method", METHODS),),
    )
    requests = DeclaredCounter(
        "rag_requests_total",
        "Questions by outcome. abandoned: whoever asked has left; error: there was no answer.",
        "questions",
        (Label("outcome", OUTCOMES),),
    )
    request_duration = DeclaredHistogram(
        "rag_request_duration_seconds",
        "Time to answer a question; of those that were answered, if only with no_context.",
        "seconds",
        buckets=buckets.STAGE,
        has_exemplars=True,
    )
    stage_duration = DeclaredHistogram(
        "rag_stage_duration_seconds",
        "Time of each stage of an answer, without other stages within it.",
        "seconds",
        (Label("stage", STAGES),),
        buckets=buckets.STAGE,
        has_exemplars=True,
    )
    cache_lookups = DeclaredCounter(
        "rag_cache_requests_total",
        "Questions looked up among the kept answers; invalidated: kept, but the index has changed.",
        "questions",
        (Label("result", CACHE_LOOKUPS),),
    )
    cached_answers = DeclaredGauge("rag_answer_cache_entries", "Answers kept.", "answers")
    retrieved_documents = DeclaredHistogram(
        "rag_retrieved_documents",
        "Documents that retrieval found for a question or a search.",
        "documents",
        buckets=buckets.DOCUMENTS,
    )
    retrieval_empty = DeclaredCounter(
        "rag_retrieval_empty_total", "Questions and searches for which it found none.", "questions"
    )
    top_score = DeclaredHistogram(
        "rag_retrieval_top_score",
        "Cosine similarity of a question and its best evidence; where there is evidence.",
        "",
        buckets=buckets.SIMILARITY,
    )
    context_age = DeclaredHistogram(
        "rag_context_age_seconds",
        "How long ago each document that an answer cites was changed.",
        "seconds",
        buckets=buckets.AGE,
    )
    context_tokens = DeclaredHistogram(
        "rag_context_tokens", "Tokens of a prompt as it was built.", "tokens", buckets=buckets.TOKENS
    )
    readings = DeclaredCounter(
        "rag_reader_readings_total",
        "What the reader found in the passages of a question, or of a change that concerns a standing one."
        " too_long, failed: it was done without.",
        "readings",
        (Label("result", READINGS),),
    )
    groundedness = DeclaredHistogram(
        "rag_groundedness_ratio",
        "Share of the sentences that the language model wrote for an answer that a passage supports.",
        "",
        buckets=buckets.SHARE,
    )
    sentences_replaced = DeclaredCounter(
        "rag_answer_sentences_replaced_total",
        "Generated sentences that no passage supported: they were left out, or quotes took their place.",
        "sentences",
    )
    citations_invalid = DeclaredCounter(
        "rag_citations_invalid_total",
        "Citations that were not shown: the model cited a passage that it did not have, or the source changed"
        " while the answer was written.",
        "citations",
        (Label("reason", INVALID_CITATIONS),),
    )
    watches = DeclaredGauge("rag_watches", "Standing questions.", "questions")
    watch_events = DeclaredCounter(
        "rag_watch_events_total", "Evidence that standing questions were told of.", "events"
    )

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.process = ProcessMetrics(registry, "api")
        self.traces = TraceMetrics(registry)
        self.client = ClientMetrics(registry)
        self.sent = SendingMetrics(registry).sent
        self.store = StoreMetrics(registry)
        self.embedding_batch_size = EmbeddingMetrics(registry).batch_size
        self.llm = LLMMetrics(registry)
