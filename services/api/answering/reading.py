"""Whether a model that was trained to read finds the answer in what was retrieved, and in which sentence.

Such a model knows better than the signals of words when a passage only nearly answers. It is asked last, of
the passages that evidence comes from: it takes longer than all the rest of finding.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from services.api.answering.evidence import Evidence, evidence_of_sentence
from services.api.answering.spans import describe_reading
from services.api.answering.untrusted import eligible_spans
from shared.domain import FoundSpan, Hit
from shared.errors import InferenceFailed, QuestionTooLong
from shared.observability.metrics import ApiMetrics
from shared.ports import Reader
from shared.text import Span

if TYPE_CHECKING:
    from shared.ports import Embedder, Embedding

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReadPassage:
    """``answer``: where in the hit's text; ``None``: in its title. ``null_odds``: see ``FoundSpan``."""

    hit: Hit
    answer: Span | None
    null_odds: float


@dataclass(frozen=True, slots=True)
class Findings:
    """``evidence`` as ``weigh_evidence`` gives it. ``failed``: it is what would have been read."""

    evidence: Sequence[Evidence]
    failed: bool = False


class Reading:
    """Safe to call from several threads."""

    def __init__(self, reader: Reader, top: int, threshold: float, metrics: ApiMetrics) -> None:
        """``top``: how many passages are read. ``threshold``: a passage answers if its null odds are not
        above it."""
        self._reader = reader
        self._top = top
        self._threshold = threshold
        self._readings = metrics.readings

    def apply(
        self,
        question: str,
        question_embedding: Embedding,
        evidence: Sequence[Evidence],
        embedder: Embedder,
    ) -> Findings:
        """Nothing if no passage answers; else the sentences that hold an answer come first, the surest
        one at the top.

        ``evidence``: strongest first, not empty. It stays as it is where the reader has no room for the
        question, or fails.
        """
        try:
            read = read_passages(self._reader, question, evidence, self._top)
        except QuestionTooLong:
            return self._without("too_long", evidence)
        except InferenceFailed as error:
            log.warning("answering without the reader", extra={"reason": str(error)})
            return replace(self._without("failed", evidence), failed=True)
        describe_reading(len(read), read[0].null_odds)
        answering = [passage for passage in read if passage.null_odds <= self._threshold]
        self._readings.labels("answer" if answering else "no_answer").inc()
        if not answering:
            return Findings(())
        found = [
            item
            for passage in answering
            if (item := _answering_sentence(question, question_embedding, passage, evidence, embedder))
        ]
        sentences = {_place(item) for item in found}
        return Findings([*found, *(item for item in evidence if _place(item) not in sentences)])

    def _without(self, result: str, evidence: Sequence[Evidence]) -> Findings:
        self._readings.labels(result).inc()
        return Findings(evidence)


def read_passages(reader: Reader, question: str, evidence: Sequence[Evidence], top: int) -> list[ReadPassage]:
    """The first ``top`` passages that ``evidence``, not empty, comes from; the surest answer first.

    :raises QuestionTooLong: the reader has no room for passages beside the question.
    :raises InferenceFailed: the reader fails.
    """
    hits = list({item.hit.chunk_id: item.hit for item in evidence}.values())[:top]
    found = reader.read(question, [f"{hit.title}\n{_readable(hit.text)}" for hit in hits])
    read = [_read_passage(hit, span) for hit, span in zip(hits, found, strict=True)]
    return sorted(read, key=lambda passage: passage.null_odds)


def _readable(text: str) -> str:
    """As long as ``text``, with spaces in place of sentences that may not be evidence."""
    readable, end = "", 0
    for span in eligible_spans(text):
        readable += " " * (span.start - end) + span.of(text)
        end = span.end
    return readable + " " * (len(text) - end)


def _read_passage(hit: Hit, found: FoundSpan) -> ReadPassage:
    before = len(hit.title) + 1
    answer = Span(max(0, found.start - before), found.end - before) if found.end > before else None
    return ReadPassage(hit, answer, found.null_odds)


def _answering_sentence(
    question: str,
    question_embedding: Embedding,
    passage: ReadPassage,
    evidence: Sequence[Evidence],
    embedder: Embedder,
) -> Evidence | None:
    """``None``: the answer is in the title, or in a sentence that is not to be quoted."""
    answer = passage.answer
    if answer is None:
        return None
    spans = eligible_spans(passage.hit.text)
    sentence = next((span for span in spans if span.start <= answer.start < span.end), None)
    if sentence is None:
        return None
    place = (passage.hit.chunk_id, sentence)
    item = next((item for item in evidence if _place(item) == place), None) or evidence_of_sentence(
        question, question_embedding, passage.hit, sentence, embedder
    )
    return item and replace(item, answer=Span(answer.start, min(answer.end, sentence.end)))


def _place(item: Evidence) -> tuple[str, Span]:
    return item.hit.chunk_id, item.span
