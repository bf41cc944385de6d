"""Answer one question: embed → retrieve → weigh → prompt → generate → ground."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from services.api.answering.abstaining import no_context
from services.api.answering.confidence import MIN_CONFIDENCE
from services.api.answering.counting import count_answer, count_retrieved
from services.api.answering.events import (
    Abandoned,
    AnswerEvent,
    AskResult,
    Done,
    IsAbandoned,
    Sources,
    Transcript,
)
from services.api.answering.evidence import Evidence, weigh_evidence
from services.api.answering.question import Turn, standalone_question
from services.api.answering.reading import Findings, Reading
from services.api.answering.spans import (
    NO_TEXT,
    SpanContent,
    describe_retrieval,
    end_workflow,
    start_workflow,
)
from services.api.answering.stages import Stages
from services.api.answering.writing import Draft, Writer, quoted
from services.api.caching.answer_cache import CachedAnswer
from services.api.caching.cached_answers import CachedAnswers
from services.api.matching.interest import Interest
from services.api.retrieval.retriever import Retriever, WordSearch
from services.api.retrieval.scope import Scope
from shared.domain import Answer, Hit, Outcome, Version
from shared.observability.metrics import ApiMetrics
from shared.ports import LLM, Embedder, VectorStore

if TYPE_CHECKING:
    from shared.ports import Embedding


@dataclass(frozen=True, slots=True)
class _Finding:
    """``as_of``: everything up to then has been looked at. ``unknown``: the answer without evidence.
    ``unread``: the reader failed, so that the evidence may answer less than it seems to."""

    interest: Interest
    hits: Sequence[Hit]
    evidence: Sequence[Evidence]
    as_of: datetime | None
    unknown: Answer
    unread: bool

    def answered_by(self, answer: Answer) -> CachedAnswer:
        return CachedAnswer(answer, tuple(self.evidence), tuple(self.hits), self.interest)


@dataclass(frozen=True, slots=True)
class _Final:
    draft: Draft
    as_of: datetime | None
    cached: bool


def _never() -> bool:
    return False


class AnswerService:
    """Safe to call from several threads."""

    def __init__(
        self,
        *,
        store: VectorStore,
        retriever: Retriever,
        embedder: Embedder,
        llm: LLM,
        metrics: ApiMetrics,
        cached_answers: CachedAnswers,
        max_sentences: int = 1,
        min_confidence: float = MIN_CONFIDENCE,
        reading: Reading | None = None,
        span_content: SpanContent = NO_TEXT,
    ) -> None:
        """``max_sentences``: the most that a model may say. ``min_confidence``: see ``weigh_evidence``."""
        self._reading = reading
        self._store = store
        self._min_confidence = min_confidence
        self._retriever = retriever
        self._embedder = embedder
        self._cached_answers = cached_answers
        self._span_content = span_content
        self._writer = Writer(llm, metrics, max_sentences, span_content=span_content)
        self._metrics = metrics

    def catch_up(self) -> None:
        """Before searches in a batch: they find what was committed before this.

        :raises StoreUnavailable: the store cannot be reached.
        """
        self._retriever.catch_up()

    def search(
        self, question: str, embedding: Embedding, scope: Scope, *, in_batch: bool = False
    ) -> list[Hit]:
        """The passages that answer the question best, best first. ``embedding``: the question's.
        ``in_batch``: see ``Retriever.retrieve``.

        :raises StoreUnavailable: the store cannot be reached.
        """
        return self._retrieve(question, embedding, scope, Stages(self._metrics), in_batch)

    def ask(
        self,
        question: str,
        scope: Scope,
        *,
        history: Sequence[Turn] = (),
        is_abandoned: IsAbandoned = _never,
    ) -> AskResult:
        """What ``stream`` ends with; same errors."""
        with closing(self.stream(question, scope, history=history, is_abandoned=is_abandoned)) as events:
            return next(event.result for event in events if isinstance(event, Done))

    def stream(
        self,
        question: str,
        scope: Scope,
        *,
        history: Sequence[Turn] = (),
        is_abandoned: IsAbandoned = _never,
    ) -> Generator[AnswerEvent, None, None]:
        """``Sources`` before the model is asked, a ``Piece`` for each sentence once it is grounded, ``Done``.

        The answer is grounded, or ``no_context`` without asking the model; see ``Writer`` for
        ``DEGRADED``, which an answer is without its reader, too. Closing the generator, or ``is_abandoned``
        turning true, ends the generation.

        :raises StoreUnavailable: the store cannot be reached.
        :raises Abandoned: ``is_abandoned`` turned true.
        """
        question = standalone_question(question, history)
        workflow = start_workflow(question, self._span_content)
        stages, outcome = Stages(self._metrics, workflow), "error"
        try:
            final = yield from self._answer(question, scope, stages, is_abandoned)
            outcome = final.draft.answer.outcome.value
        except (Abandoned, GeneratorExit):
            outcome = "abandoned"
            raise
        finally:
            seconds = stages.observe()
            self._metrics.requests.labels(outcome).inc()
            end_workflow(workflow, outcome)
        count_answer(self._metrics, final.draft.answer, seconds)
        yield Done(
            AskResult(
                answer=final.draft.answer,
                as_of=final.as_of,
                model=self._writer.name,
                input_tokens=final.draft.input_tokens,
                output_tokens=final.draft.output_tokens,
                timings_ms={**stages.milliseconds, "total": round(seconds * 1000, 3)},
                cached=final.cached,
                passages=final.draft.passages,
            )
        )

    def _answer(
        self, question: str, scope: Scope, stages: Stages, is_abandoned: IsAbandoned
    ) -> Generator[AnswerEvent, None, _Final]:
        with stages.timed("cache"):
            as_of = self._as_of()
            kept = self._cached_answers.find(question, scope)
            moment = self._cached_answers.moment
        if kept is not None and self._is_current(kept.answer):
            yield Sources(_one_for_each_document(kept.evidence), as_of)
            yield from Transcript().pieces(kept.answer)
            return _Final(Draft(kept.answer), as_of, cached=True)
        finding = self._find(question, scope, stages, as_of)
        yield Sources(_one_for_each_document(finding.evidence), as_of)
        transcript, draft = Transcript(), Draft(finding.unknown)
        with closing(self._drafts(question, finding, stages, is_abandoned)) as drafts:
            for draft in drafts:
                if not self._is_current(draft.answer):
                    self._metrics.citations_invalid.labels("source_changed").inc()
                    finding = self._find(question, scope, stages, self._as_of())
                    draft = replace(draft, answer=_without_model(finding, draft.answer.outcome))
                    yield from transcript.pieces(draft.answer)
                    return _Final(draft, finding.as_of, cached=False)
                yield from transcript.pieces(draft.answer)
        yield from transcript.pieces(draft.answer)
        if draft.answer.outcome is not Outcome.DEGRADED:
            self._cached_answers.keep(question, scope, finding.answered_by(draft.answer), moment)
        return _Final(draft, finding.as_of, cached=False)

    def _drafts(
        self, question: str, finding: _Finding, stages: Stages, is_abandoned: IsAbandoned
    ) -> Generator[Draft, None, None]:
        if not finding.evidence:
            yield Draft(finding.unknown)
            return
        with closing(self._writer.write(question, finding.evidence, stages, is_abandoned)) as drafts:
            for draft in drafts:
                yield _degraded(draft) if finding.unread else draft

    def _as_of(self) -> datetime | None:
        """To be taken before a search: what was indexed up to here is certainly taken into account."""
        return self._store.stats().as_of

    def _find(self, question: str, scope: Scope, stages: Stages, as_of: datetime | None) -> _Finding:
        embedder = stages.timing(self._embedder)
        begun = self._retriever.begin(question, scope.top_k, scope.where)
        embedding = embedder.embed([question])[0]
        hits = self._retrieve(question, embedding, scope, stages, begun=begun)
        with stages.timed("weigh"):
            evidence = weigh_evidence(question, embedding, hits, embedder, self._min_confidence)
        found = Findings(evidence)
        if evidence and self._reading is not None:
            with stages.timed("read"):
                found = self._reading.apply(question, embedding, evidence, embedder)
        if found.evidence:
            self._metrics.top_score.observe(found.evidence[0].relevance)
        interest = Interest.of(question, embedding, scope.where)
        return _Finding(interest, hits, found.evidence, as_of, no_context(scope.where), found.failed)

    def _retrieve(
        self,
        question: str,
        embedding: Embedding,
        scope: Scope,
        stages: Stages,
        in_batch: bool = False,
        begun: WordSearch | None = None,
    ) -> list[Hit]:
        with stages.timed("retrieve"):
            hits = self._retriever.retrieve(
                question, embedding, scope.top_k, scope.where, scope.recency, stages.timed, in_batch, begun
            )
            describe_retrieval(hits, scope.top_k, question, self._span_content)
        count_retrieved(self._metrics, hits)
        return hits

    def _is_current(self, answer: Answer) -> bool:
        """A model may write for seconds: what it was given may be changed or deleted by then."""
        stored = self._store.get_many([citation.document_id for citation in answer.citations])
        return all(
            citation.document_id in stored
            and stored[citation.document_id].document.version
            == Version(citation.revision, citation.updated_at)
            for citation in answer.citations
        )


def _degraded(draft: Draft) -> Draft:
    return replace(draft, answer=replace(draft.answer, outcome=Outcome.DEGRADED))


def _without_model(finding: _Finding, outcome: Outcome) -> Answer:
    return quoted(finding.evidence, outcome) if finding.evidence else finding.unknown


def _one_for_each_document(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    strongest: dict[str, Evidence] = {}
    for item in evidence:
        strongest.setdefault(item.hit.document_id, item)
    return tuple(strongest.values())
