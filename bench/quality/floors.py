"""What must not get worse. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bench.quality.answers import AnswerFigures
from bench.quality.ranking import RankingFigures

RECALL_AT_1 = 0.855
RECALL_AT_5 = 0.97
MRR = 0.905
CITATION_PRECISION = 0.95
MOST_UNFOUNDED = 0
MOST_UNANSWERABLE_ANSWERED = 0.48
MOST_ANSWERABLE_ABSTAINED = 0.22
"""The last two with room for the choice of 500 questions: two standard deviations are .04."""


def ranking_faults(figures: RankingFigures) -> Iterator[str]:
    yield from _below("recall@1", figures.recall[1], RECALL_AT_1)
    yield from _below("recall@5", figures.recall[5], RECALL_AT_5)
    yield from _below("MRR@10", figures.mrr, MRR)


def answer_faults(figures: AnswerFigures) -> Iterator[str]:
    yield from _below("citation precision", figures.citation_precision, CITATION_PRECISION)
    yield from _above("answers with an unfounded figure", figures.unfounded, MOST_UNFOUNDED)
    yield from _above(
        "unanswerable questions answered", figures.unanswerable_answered, MOST_UNANSWERABLE_ANSWERED
    )
    yield from _above(
        "answerable questions not answered", figures.answerable_abstained, MOST_ANSWERABLE_ABSTAINED
    )


def _below(name: str, value: float, floor: float) -> Iterator[str]:
    if value < floor:
        yield f"{name}: {value:.4f}, at least {floor:g} is wanted"


def _above(name: str, value: float, ceiling: float) -> Iterator[str]:
    if value > ceiling:
        yield f"{name}: {value:.4f}, at most {ceiling:g} is wanted"
