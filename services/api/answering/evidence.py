"""Which sentences of the retrieved passages speak to the question, and whether that is enough.

Abstaining happens here, before any model is asked: a small model guesses when the passages do not answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.api.answering.confidence import MIN_CONFIDENCE, confidence
from services.api.answering.question import Subject, expected_kind, offers, subject
from services.api.answering.signals import Signals, signals, states_something_else
from services.api.answering.untrusted import eligible_spans, with_safe_title
from services.api.answering.vocabulary import Vocabulary
from shared.domain import Hit
from shared.text import Span, terms

if TYPE_CHECKING:
    from shared.ports import Embedder, Embedding

MIN_HIT_SCORE = 0.2
MAX_CANDIDATES = 16
_COVERAGE_WEIGHT = 0.3
_KIND_BONUS = 0.1


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sentence of a hit. ``relevance`` is the cosine similarity of "title: sentence" and the
    question, ``coverage`` the share of the question's terms that title and sentence contain. ``answer``:
    where in the hit's text a reader has found the answer, if that is in this sentence."""

    hit: Hit
    span: Span
    relevance: float
    coverage: float
    right_kind: bool
    answer: Span | None = None

    @property
    def text(self) -> str:
        return self.span.of(self.hit.text)

    @property
    def weight(self) -> float:
        return self.relevance + _COVERAGE_WEIGHT * self.coverage + _KIND_BONUS * self.right_kind


def weigh_evidence(
    question: str,
    question_embedding: Embedding,
    hits: Sequence[Hit],
    embedder: Embedder,
    min_confidence: float = MIN_CONFIDENCE,
) -> list[Evidence]:
    """Strongest first; empty means: do not answer. Sentences that say the opposite, or speak of another
    number, are left out: they are not to be quoted.

    :param min_confidence: the probability that the strongest answers the question below which there is no
        answer, in [0, 1].
    """
    evidence = _ranked(question, question_embedding, hits, embedder)
    if not evidence or confidence(_signals(question, evidence[0])) < min_confidence:
        return []
    return [item for item in evidence if _may_be_quoted(question, item)]


def evidence_of_sentence(
    question: str, question_embedding: Embedding, hit: Hit, span: Span, embedder: Embedder
) -> Evidence | None:
    """``None``: it says the opposite, or speaks of another number. ``hit``: one with a safe title."""
    candidates = list(_candidates_in(hit, [span], frozenset(terms(question))))
    (item,) = _weighed(question, question_embedding, candidates, embedder)
    return item if _may_be_quoted(question, item) else None


def strongest_signals(
    question: str, question_embedding: Embedding, hits: Sequence[Hit], embedder: Embedder
) -> Signals | None:
    """What the decision to answer goes by; ``None``: there is no evidence at all."""
    evidence = _ranked(question, question_embedding, hits, embedder)
    return _signals(question, evidence[0]) if evidence else None


def _signals(question: str, item: Evidence) -> Signals:
    return signals(question, _dated_title(item), item.text, item.relevance)


def _may_be_quoted(question: str, item: Evidence) -> bool:
    return not states_something_else(question, _dated_title(item), item.text)


def _dated_title(item: Evidence) -> str:
    """A page that speaks of this year's events rarely says the year."""
    return f"{item.hit.title} {item.hit.updated_at.year}"


def _ranked(
    question: str, question_embedding: Embedding, hits: Sequence[Hit], embedder: Embedder
) -> list[Evidence]:
    # A word that the model's vocabulary does not hold as a whole is rare.
    about = subject(question, lambda word: embedder.count_tokens([word])[0] > 1)
    about_it = [hit for hit in map(with_safe_title, hits) if _is_about(about, hit)]
    evidence = _weighed(question, question_embedding, _candidates(question, about_it), embedder)
    return sorted(evidence, key=lambda item: -item.weight)


def _weighed(
    question: str,
    question_embedding: Embedding,
    candidates: Sequence[tuple[Hit, Span, float]],
    embedder: Embedder,
) -> list[Evidence]:
    if not candidates:
        return []
    relevances = embedder.embed([f"{hit.title}: {span.of(hit.text)}" for hit, span, _ in candidates]) @ (
        question_embedding
    )
    kind = expected_kind(question)
    return [
        Evidence(
            hit,
            span,
            float(relevance),
            coverage,
            right_kind=offers(kind, span.of(hit.text), f"{question} {hit.title}"),
        )
        for (hit, span, coverage), relevance in zip(candidates, relevances, strict=True)
    ]


def _is_about(about: Subject, hit: Hit) -> bool:
    """A passage that does not mention who or what the question names is no evidence, however similar
    it is: the toll of another earthquake, or of another year's, is a wrong answer."""
    if hit.score < MIN_HIT_SCORE:
        return False
    if not about.names and not about.numbers:
        return True
    mentioned = Vocabulary(f"{hit.title} {hit.text} {hit.updated_at.year}")
    if not all(mentioned.has(number) for number in about.numbers):
        return False
    # In capitals, because an acronym may be spelt out in the passage.
    missing = [name for name in about.names if not mentioned.has(name.upper())]
    return len(missing) <= (1 if len(about.names) > 3 else 0)


def _candidates(question: str, hits: Sequence[Hit]) -> list[tuple[Hit, Span, float]]:
    """The sentences worth embedding: those that cover the question best, at most ``MAX_CANDIDATES``."""
    wanted = frozenset(terms(question))
    found = [candidate for hit in hits for candidate in _candidates_in(hit, eligible_spans(hit.text), wanted)]
    found.sort(key=lambda candidate: -(candidate[2] + candidate[0].score))
    return found[:MAX_CANDIDATES]


def _candidates_in(
    hit: Hit, spans: Sequence[Span], wanted: frozenset[str]
) -> Iterator[tuple[Hit, Span, float]]:
    """With the share of the ``wanted`` terms that title and sentence have."""
    title_terms = frozenset(terms(hit.title))
    for span in spans:
        present = title_terms | frozenset(terms(span.of(hit.text)))
        yield hit, span, len(wanted & present) / max(1, len(wanted))
