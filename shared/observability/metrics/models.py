"""Models: of embeddings and of language. Names follow OpenTelemetry's conventions for generative AI, which
are still in development, so they stand nowhere else."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram

from shared.domain import TokenUsage
from shared.observability.exemplars import exemplar
from shared.observability.metrics import buckets
from shared.observability.metrics.declaration import (
    DeclaredCounter,
    DeclaredGauge,
    DeclaredHistogram,
    Label,
    MetricGroup,
)

LLM_STATES = ("loading", "closed", "open", "half_open")
LLM_FAILURES = ("unavailable", "refused", "loading", "circuit_open", "queue_full", "queue_timeout")
TOKEN_TYPES = ("input", "output")
SUCCESS = ""
CHAT_ERRORS = ("unavailable", "refused", "loading")

_CHAT = "chat"
_EMBEDDINGS = "embeddings"
_OF_CHAT = (
    Label("gen_ai_operation_name", (_CHAT,)),
    Label("gen_ai_provider_name", bound="what LLM names"),
    Label("gen_ai_request_model", bound="the model that is configured"),
)


class ModelOperations(MetricGroup):
    """Of a process; its models share it."""

    duration = DeclaredHistogram(
        "gen_ai_client_operation_duration_seconds",
        "embeddings: one call of the model. chat: one answer, from asking for it, its queue included, to the"
        " last piece that was read; error_type tells why it ended before its time.",
        "seconds",
        (
            Label("gen_ai_operation_name", bound="embeddings; in the API also chat"),
            Label("gen_ai_provider_name", bound="what EMBEDDER and LLM name"),
            Label("gen_ai_request_model", bound="the models that are configured"),
            Label("error_type", bound=f"{', '.join(CHAT_ERRORS)}; none where it succeeded"),
        ),
        buckets=buckets.GEN_AI,
        has_exemplars=True,
    )

    def of_embeddings(self, provider: str, model: str) -> Histogram:
        """``provider``: what EMBEDDER names."""
        return self.duration.labels(_EMBEDDINGS, provider, model, SUCCESS)


class EmbeddingMetrics(MetricGroup):
    batch_size = DeclaredHistogram(
        "rag_embedding_batch_size",
        "Texts embedded in one call: chunks in the processor, texts of concurrent questions in the API.",
        "texts",
        buckets=buckets.BATCH,
    )


class LLMMetrics(MetricGroup):
    """The language model, and the guard around it."""

    token_usage = DeclaredHistogram(
        "gen_ai_client_token_usage",
        "Tokens of an answer: of its prompt, and of what the model wrote of it up to where it was read. As"
        " the model says, or as its tokenizer counts where it does not.",
        "tokens",
        (*_OF_CHAT, Label("gen_ai_token_type", bound=" and ".join(TOKEN_TYPES))),
        buckets=buckets.TOKENS,
    )
    time_to_first_chunk = DeclaredHistogram(
        "gen_ai_client_operation_time_to_first_chunk_seconds",
        "From asking the language model, its queue included, to the first piece of its answer.",
        "seconds",
        _OF_CHAT,
        buckets=buckets.FIRST_CHUNK,
    )
    time_per_output_chunk = DeclaredHistogram(
        "gen_ai_client_operation_time_per_output_chunk_seconds",
        "From one piece of an answer to the next; without the time that the reader takes.",
        "seconds",
        _OF_CHAT,
        buckets=buckets.NEXT_CHUNK,
    )
    state = DeclaredGauge(
        "rag_llm_state",
        "1 for the state that the language model is in: loading, or that of its circuit breaker. All are 0"
        " with LLM=extractive, which has no model.",
        "",
        (Label("state", LLM_STATES),),
    )
    in_flight = DeclaredGauge("rag_llm_in_flight", "Answers being written.", "answers")
    waiting = DeclaredGauge(
        "rag_llm_waiting", "Questions that wait for their turn with the language model.", "questions"
    )
    failures = DeclaredCounter(
        "rag_llm_failures_total",
        "Questions that the language model did not answer to the end.",
        "questions",
        (Label("reason", LLM_FAILURES),),
    )
    retries = DeclaredCounter(
        "rag_llm_retries_total", "Further attempts before an answer's first piece.", "attempts"
    )
    load_duration = DeclaredHistogram(
        "rag_llm_model_load_duration_seconds",
        "Time to load the model's weights, or to find them loaded; attempts that succeeded.",
        "seconds",
        buckets=buckets.MODEL_LOAD,
    )

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.operations = ModelOperations(registry)
        self._model = ("unknown", "unknown")

    def initialise(self, provider: str, model: str) -> None:
        """``provider``: what LLM names. Before that both are "unknown"."""
        self._model = provider, model
        for kind in TOKEN_TYPES:
            self.token_usage.labels(_CHAT, provider, model, kind)
        for error in (SUCCESS, *CHAT_ERRORS):
            self.operations.duration.labels(_CHAT, provider, model, error)
        self.time_to_first_chunk.labels(_CHAT, provider, model)
        self.time_per_output_chunk.labels(_CHAT, provider, model)

    def first_chunk(self, seconds: float) -> None:
        self.time_to_first_chunk.labels(_CHAT, *self._model).observe(seconds)

    def next_chunk(self, seconds: float) -> None:
        self.time_per_output_chunk.labels(_CHAT, *self._model).observe(seconds)

    def ended(self, error: str, seconds: float) -> None:
        """``error``: ``SUCCESS``, or one of ``CHAT_ERRORS``."""
        self.operations.duration.labels(_CHAT, *self._model, error).observe(seconds, exemplar())

    def used(self, usage: TokenUsage) -> None:
        self.token_usage.labels(_CHAT, *self._model, "input").observe(usage.input_tokens)
        self.token_usage.labels(_CHAT, *self._model, "output").observe(usage.output_tokens)
