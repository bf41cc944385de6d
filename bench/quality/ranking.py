"""Figures of ranked results where exactly one document is right. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

DEPTH = 10


@dataclass(frozen=True, slots=True)
class RankingFigures:
    """``recall[k]``: share of the questions whose document is among the first k. ``mrr`` and ``ndcg`` at
    ``DEPTH``."""

    questions: int
    recall: dict[int, float]
    mrr: float
    ndcg: float


def rank_of(wanted: str, found: Iterable[str]) -> int | None:
    """From 1; a document that was found several times takes one place. ``None``: not found."""
    in_order = list(dict.fromkeys(found))
    return in_order.index(wanted) + 1 if wanted in in_order else None


def ranking_figures(ranks: Sequence[int | None]) -> RankingFigures:
    """:raises ZeroDivisionError: no ranks."""
    within = [rank for rank in ranks if rank is not None and rank <= DEPTH]
    return RankingFigures(
        questions=len(ranks),
        recall={depth: sum(rank <= depth for rank in within) / len(ranks) for depth in (1, 3, 5, DEPTH)},
        mrr=sum(1 / rank for rank in within) / len(ranks),
        ndcg=sum(1 / math.log2(rank + 1) for rank in within) / len(ranks),
    )
