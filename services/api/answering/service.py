"""Answer one question: embed → retrieve → weigh → prompt → generate → ground."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.api.answering.evidence import Evidence, weigh_evidence
from services.api.answering.generation import first_statement
from services.api.answering.grounding import ground, quote
from services.api.answering.prompt import build_prompt, select_passages
from services.api.answering.question import Turn, standalone_question
from shared.domain import Answer, Hit, Outcome, SearchFilter, Version
from shared.errors import LLMUnavailable
from shared.observability.metrics import ApiMetrics
from shared.ports import LLM, Embedder, VectorStore

log = logging.getLogger(__name__)

NO_CONTEXT = "I do not know: nothing that is indexed answers this question."
_UNKNOWN = Answer(NO_CONTEXT, Outcome.NO_CONTEXT, ())


@dataclass(frozen=True, slots=True)
class AskResult:
    """``as_of``: the newest event time that the answer takes into account. ``timings_ms`` by stage."""

    answer: Answer
    as_of: datetime | None
    model: str
    input_tokens: int
    output_tokens: int
    timings_ms: dict[str, float]


@dataclass(slots=True)
class _Usage:
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(slots=True)
class _Stages:
    metrics: ApiMetrics
    milliseconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            self.milliseconds[name] = round(self.milliseconds.get(name, 0.0) + seconds * 1000, 3)
            self.metrics.stage_duration.labels(name).observe(seconds)


class AnswerService:
    """Safe to call from several threads."""

    def __init__(self, *, store: VectorStore, embedder: Embedder, llm: LLM, metrics: ApiMetrics) -> None:
        self._store = store
        self._embedder = embedder
        self._llm = llm
        self._metrics = metrics

    def search(self, question: str, *, top_k: int, where: SearchFilter) -> list[Hit]:
        """The chunks most similar to the question, best first.

        :raises StoreUnavailable: the store cannot be reached.
        """
        return self._store.search(self._embedder.embed([question])[0], top_k, where)

    def ask(
        self, question: str, *, top_k: int, where: SearchFilter, history: Sequence[Turn] = ()
    ) -> AskResult:
        """A grounded answer, or ``NO_CONTEXT`` without asking the model; ``DEGRADED`` means a quote,
        because the model is away.

        :raises StoreUnavailable: the store cannot be reached.
        """
        start = time.perf_counter()
        stages = _Stages(self._metrics)
        usage = _Usage()
        try:
            question = standalone_question(question, history)
            # Taken before the search: what was indexed up to here is certainly taken into account.
            as_of = self._store.stats().as_of
            evidence = self._find_evidence(question, top_k, where, stages)
            answer = self._answer(question, evidence, stages, usage) if evidence else _UNKNOWN
            if not self._is_current(answer):
                as_of = self._store.stats().as_of
                evidence = self._find_evidence(question, top_k, where, stages)
                answer = _quoted(evidence, answer.outcome) if evidence else _UNKNOWN
        except Exception:
            self._metrics.requests.labels("error").inc()
            raise
        seconds = time.perf_counter() - start
        self._metrics.requests.labels(answer.outcome.value).inc()
        self._metrics.request_duration.observe(seconds)
        timings = {**stages.milliseconds, "total": round(seconds * 1000, 3)}
        return AskResult(answer, as_of, self._llm.name, usage.input_tokens, usage.output_tokens, timings)

    def _find_evidence(
        self, question: str, top_k: int, where: SearchFilter, stages: _Stages
    ) -> list[Evidence]:
        with stages.timed("embed"):
            embedding = self._embedder.embed([question])[0]
        with stages.timed("retrieve"):
            hits = self._store.search(embedding, top_k, where)
        if hits:
            self._metrics.top_score.observe(hits[0].score)
        with stages.timed("weigh"):
            return weigh_evidence(question, embedding, hits, self._embedder)

    def _is_current(self, answer: Answer) -> bool:
        """A model may write for seconds: what it was given may be changed or deleted by then."""
        stored = self._store.get_many([citation.document_id for citation in answer.citations])
        return all(
            citation.document_id in stored
            and stored[citation.document_id].document.version
            == Version(citation.revision, citation.updated_at)
            for citation in answer.citations
        )

    def _answer(self, question: str, evidence: Sequence[Evidence], stages: _Stages, usage: _Usage) -> Answer:
        try:
            with stages.timed("prompt"):
                prompt = build_prompt(
                    question, select_passages(evidence), self._llm.context_tokens, self._llm.count_tokens
                )
            with stages.timed("generate"):
                generated = first_statement(self._llm.stream(prompt))
            usage.input_tokens = self._llm.count_tokens(prompt.system + prompt.user)
            usage.output_tokens = self._llm.count_tokens(generated) if generated else 0
        except LLMUnavailable as error:
            log.warning("answering with a quote: the language model is away", extra={"reason": str(error)})
            return _quoted(evidence, Outcome.DEGRADED)
        with stages.timed("ground"):
            grounded = ground(generated, question, evidence)
        self._metrics.sentences_replaced.inc(grounded.replaced)
        log.debug("grounded", extra={"generated": generated, "replaced": grounded.replaced})
        return Answer(grounded.text, Outcome.ANSWERED, grounded.citations)


def _quoted(evidence: Sequence[Evidence], outcome: Outcome) -> Answer:
    grounded = quote(evidence)
    return Answer(grounded.text, outcome, grounded.citations)
