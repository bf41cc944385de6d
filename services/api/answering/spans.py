"""Spans of one answer, by the GenAI conventions; what people wrote stays off them unless it is asked for.

A question's workflow has a span that is current nowhere, because an answer is made in a generator: each stage
names it as its parent, and is the current span for as long as it runs.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode

from services.api.answering.events import Abandoned
from shared.domain import Hit, Prompt, TokenUsage
from shared.observability import semconv

_tracer = trace.get_tracer("services.api")

WORKFLOW = "rag_ask"

# Of each stage, its span's name, kind and OpenInference kind. The model's own span is ``ChatSpan``.
_STAGES = {
    "cache": ("look_up_answer", SpanKind.INTERNAL, "CHAIN"),
    "embed": ("embeddings", SpanKind.CLIENT, "EMBEDDING"),
    "retrieve": ("retrieval", SpanKind.CLIENT, "RETRIEVER"),
    "rerank": ("rerank", SpanKind.INTERNAL, "RERANKER"),
    "weigh": ("weigh_evidence", SpanKind.INTERNAL, "CHAIN"),
    "read": ("read_passages", SpanKind.INTERNAL, "CHAIN"),
    "prompt": ("build_prompt", SpanKind.INTERNAL, "CHAIN"),
    "ground": ("evaluate groundedness", SpanKind.INTERNAL, "EVALUATOR"),
}


@dataclass(frozen=True, slots=True)
class SpanContent:
    """``provider``: of the language model. ``with_text``: questions, prompts, answers and passages too."""

    provider: str = "extractive"
    with_text: bool = False


NO_TEXT = SpanContent()


def start_workflow(question: str, content: SpanContent) -> Span:
    """The caller ends it with ``end_workflow``."""
    span = _tracer.start_span(
        f"invoke_workflow {WORKFLOW}",
        attributes={
            semconv.GEN_AI_OPERATION: "invoke_workflow",
            semconv.GEN_AI_WORKFLOW: WORKFLOW,
            semconv.OPENINFERENCE_KIND: "CHAIN",
        },
    )
    if content.with_text:
        span.set_attribute(semconv.INPUT_VALUE, question)
    return span


def end_workflow(span: Span, outcome: str) -> None:
    span.set_attribute(semconv.RAG_OUTCOME, outcome)
    if outcome == "error":
        span.set_status(StatusCode.ERROR)
    span.end()


@contextlib.contextmanager
def stage_span(stage: str, parent: Context | None) -> Iterator[None]:
    """Around the stage, which may describe the current span; ``parent``: ``None`` for the current one."""
    described = _STAGES.get(stage)
    if described is None:
        yield
        return
    name, kind, openinference_kind = described
    attributes = {semconv.OPENINFERENCE_KIND: openinference_kind}
    with _tracer.start_as_current_span(name, parent, kind, attributes):
        yield


def describe_embedding(model: str, dimension: int) -> None:
    span = trace.get_current_span()
    span.update_name(f"embeddings {model}")
    if span.is_recording():
        span.set_attributes(
            {
                semconv.GEN_AI_OPERATION: "embeddings",
                semconv.GEN_AI_REQUEST_MODEL: model,
                semconv.GEN_AI_EMBEDDING_DIMENSION: dimension,
            }
        )


def describe_retrieval(hits: Sequence[Hit], top_k: int, question: str, content: SpanContent) -> None:
    span = trace.get_current_span()
    if not span.is_recording():
        return
    attributes: dict[str, str | int | float] = {
        semconv.GEN_AI_OPERATION: "retrieval",
        semconv.GEN_AI_REQUEST_TOP_K: top_k,
        semconv.RAG_RETRIEVED: len(hits),
    }
    if hits:
        attributes[semconv.DB_TOP_SCORE] = hits[0].score
    if content.with_text:
        attributes[semconv.INPUT_VALUE] = question
    for number, hit in enumerate(hits):
        prefix = f"{semconv.RETRIEVAL_DOCUMENTS}.{number}"
        attributes[f"{prefix}.{semconv.DOCUMENT_ID}"] = hit.document_id
        attributes[f"{prefix}.{semconv.DOCUMENT_SCORE}"] = hit.score
        if hit.ingest_trace_id:
            attributes[f"{prefix}.{semconv.RAG_INGEST_TRACE}"] = hit.ingest_trace_id
        if content.with_text:
            attributes[f"{prefix}.{semconv.DOCUMENT_CONTENT}"] = hit.text
    span.set_attributes(attributes)


def describe_reading(passages: int, null_odds: float) -> None:
    """``null_odds``: the logarithm of the odds against an answer, in the surest passage."""
    trace.get_current_span().set_attributes(
        {semconv.RAG_READ_PASSAGES: passages, semconv.RAG_NULL_ODDS: null_odds}
    )


def describe_prompt(tokens: int, dropped: int) -> None:
    trace.get_current_span().set_attributes(
        {semconv.RAG_CONTEXT_TOKENS: tokens, semconv.RAG_DOCUMENTS_DROPPED: dropped}
    )


def describe_grounding(supported: int, replaced: int) -> None:
    """Of the sentences that the model wrote, how many a source supports and how many none does."""
    attributes: dict[str, str | float] = {
        semconv.GEN_AI_EVALUATION_NAME: "groundedness",
        semconv.GEN_AI_EVALUATION_SCORE: supported / max(supported + replaced, 1),
    }
    trace.get_current_span().add_event(semconv.GEN_AI_EVALUATION, attributes)


class ChatSpan:
    """From asking the model to the last piece that was read of its answer."""

    def __init__(self, model: str, prompt: Prompt, parent: Context | None, content: SpanContent) -> None:
        self._with_text = content.with_text
        self._started = time.perf_counter()
        self._finish_reason = "sentence_limit"
        self._span = _tracer.start_span(
            f"chat {model}",
            context=parent,
            kind=SpanKind.CLIENT,
            attributes={
                semconv.GEN_AI_OPERATION: "chat",
                semconv.GEN_AI_PROVIDER: content.provider,
                semconv.GEN_AI_REQUEST_MODEL: model,
                semconv.GEN_AI_REQUEST_STREAM: True,
                semconv.GEN_AI_REQUEST_MAX_TOKENS: prompt.max_output_tokens,
                semconv.OPENINFERENCE_KIND: "LLM",
            },
        )
        if self._with_text:
            self._span.set_attribute(semconv.GEN_AI_SYSTEM_INSTRUCTIONS, _parts(prompt.system))
            self._span.set_attribute(semconv.GEN_AI_INPUT_MESSAGES, _message("user", prompt.user))

    def first_chunk(self) -> None:
        self._span.set_attribute(
            semconv.GEN_AI_TIME_TO_FIRST_CHUNK, round(time.perf_counter() - self._started, 6)
        )

    def ended_by_model(self) -> None:
        """It was not we who stopped reading."""
        self._finish_reason = "stop"

    def said(self, text: str, usage: TokenUsage) -> None:
        """So far; the last call counts."""
        self._span.set_attribute(semconv.GEN_AI_INPUT_TOKENS, usage.input_tokens)
        self._span.set_attribute(semconv.GEN_AI_OUTPUT_TOKENS, usage.output_tokens)
        if self._with_text:
            self._span.set_attribute(semconv.GEN_AI_OUTPUT_MESSAGES, _message("assistant", text))

    def __enter__(self) -> ChatSpan:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, (Abandoned, GeneratorExit)):
            self._finish_reason = "abandoned"
        elif error is not None:
            self._finish_reason = "error"
            self._span.set_attribute(semconv.ERROR_TYPE, type(error).__name__)
            self._span.set_status(StatusCode.ERROR, type(error).__name__)
        self._span.set_attribute(semconv.GEN_AI_FINISH_REASONS, [self._finish_reason])
        self._span.end()


def _parts(text: str) -> str:
    return json.dumps([{"type": "text", "content": text}], ensure_ascii=False)


def _message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}], ensure_ascii=False)
