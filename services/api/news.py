"""Questions for nothing but what is new ("What happened in the last hour?"): the newest changes, quoted."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from services.api.answering.abstaining import no_context
from services.api.answering.counting import count_answer, count_retrieved
from services.api.answering.events import AnswerEvent, AskResult, Done, IsAbandoned, Piece, Sources
from services.api.answering.evidence import Evidence
from services.api.answering.grounding import quote
from services.api.answering.question import Turn, standalone_question
from services.api.answering.spans import (
    NO_TEXT,
    SpanContent,
    describe_retrieval,
    end_workflow,
    start_workflow,
)
from services.api.answering.stages import Stages
from services.api.answering.untrusted import eligible_spans, with_safe_title
from services.api.dependencies import Answering
from services.api.retrieval.retriever import Retriever
from services.api.retrieval.scope import Scope
from shared.domain import Answer, Hit, Outcome, SearchFilter
from shared.observability.metrics import ApiMetrics
from shared.ports import VectorStore
from shared.text import terms

if TYPE_CHECKING:
    from shared.ports import Embedding

MAX_QUOTES = 5

_GENERIC = frozenset(
    terms(
        "happen occur going went change edit update revision revise new news headline development page"
        " article document find anything something everything thing summarize summary recap digest overview"
        " show please know within made there"
    )
)
_NOT_WHAT = re.compile(r"\b(?:how|why|where|when|who|whom|whose)\b", re.IGNORECASE)


def asks_for_news(question: str, where: SearchFilter) -> bool:
    """It has a window, and no subject: what is most similar to "What happened?" is not what happened."""
    if (where.since is None and where.until is None) or _NOT_WHAT.search(question):
        return False
    wanted = terms(question)
    return bool(wanted) and _GENERIC.issuperset(wanted)


class NewsAnswering:
    """Answers such questions itself, without a model, and hands on all others; as safe for threads as
    ``answering``. ``model``: its name."""

    def __init__(
        self,
        answering: Answering,
        *,
        store: VectorStore,
        retriever: Retriever,
        metrics: ApiMetrics,
        model: str,
        span_content: SpanContent = NO_TEXT,
    ) -> None:
        self._answering = answering
        self._store = store
        self._retriever = retriever
        self._metrics = metrics
        self._model = model
        self._span_content = span_content

    def catch_up(self) -> None:
        """See ``AnswerService``."""
        self._answering.catch_up()

    def search(
        self, question: str, embedding: Embedding, scope: Scope, *, in_batch: bool = False
    ) -> list[Hit]:
        """See ``AnswerService``; the newest changes first, where the question asks for no more."""
        if asks_for_news(question, scope.where):
            return self._newest(question, scope.top_k, scope.where, Stages(self._metrics))
        return self._answering.search(question, embedding, scope, in_batch=in_batch)

    def ask(
        self,
        question: str,
        scope: Scope,
        *,
        history: Sequence[Turn] = (),
        is_abandoned: IsAbandoned,
    ) -> AskResult:
        """See ``AnswerService``."""
        with closing(self.stream(question, scope, history=history, is_abandoned=is_abandoned)) as events:
            return next(event.result for event in events if isinstance(event, Done))

    def stream(
        self,
        question: str,
        scope: Scope,
        *,
        history: Sequence[Turn] = (),
        is_abandoned: IsAbandoned,
    ) -> Generator[AnswerEvent, None, None]:
        """See ``AnswerService``."""
        standalone = standalone_question(question, history)
        if asks_for_news(standalone, scope.where):
            yield from self._news(standalone, min(scope.top_k, MAX_QUOTES), scope.where)
        else:
            yield from self._answering.stream(question, scope, history=history, is_abandoned=is_abandoned)

    def _newest(self, question: str, limit: int, where: SearchFilter, stages: Stages) -> list[Hit]:
        with stages.timed("retrieve"):
            hits = self._retriever.newest(limit, where)
            describe_retrieval(hits, limit, question, self._span_content)
        count_retrieved(self._metrics, hits)
        return hits

    def _news(self, question: str, limit: int, where: SearchFilter) -> Generator[AnswerEvent, None, None]:
        workflow = start_workflow(question, self._span_content)
        stages, outcome = Stages(self._metrics, workflow), "error"
        try:
            as_of = self._store.stats().as_of
            evidence = _first_sentences(self._newest(question, limit, where, stages))
            answer = _quoted(evidence) if evidence else no_context(where)
            outcome = answer.outcome.value
            yield Sources(evidence, as_of)
            yield Piece(answer.text, answer.citations)
        except GeneratorExit:
            outcome = "abandoned"
            raise
        finally:
            seconds = stages.observe()
            self._metrics.requests.labels(outcome).inc()
            end_workflow(workflow, outcome)
        count_answer(self._metrics, answer, seconds)
        timings = {**stages.milliseconds, "total": round(seconds * 1000, 3)}
        yield Done(AskResult(answer, as_of, self._model, 0, 0, timings))


def _first_sentences(hits: Sequence[Hit]) -> tuple[Evidence, ...]:
    """Of each page; what may not be evidence is passed over."""
    first = ((hit, next(iter(eligible_spans(hit.text)), None)) for hit in map(with_safe_title, hits))
    return tuple(Evidence(hit, span, 1.0, 1.0, True) for hit, span in first if span is not None)


def _quoted(evidence: Sequence[Evidence]) -> Answer:
    grounded = quote(evidence, len(evidence))
    return Answer(grounded.text, Outcome.ANSWERED, grounded.citations)
