"""The best passages read once more, each together with the question."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.domain import Hit
from shared.errors import InferenceFailed, QuestionTooLong
from shared.ports import Reranker

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reranking:
    """``top``: how many passages are read, which is what a question waits for."""

    reranker: Reranker
    top: int

    def apply(self, question: str, hits: Sequence[Hit]) -> list[Hit]:
        """The best ``top`` of ``hits`` in the reranker's order, then the others in their own.

        Scores stay in [0, 1] and relative to the best of this question: a reranked passage has the odds
        that it answers as a share of the best one's, the others lie below the last of these. A question
        that the reranker has no room for, and a reranker that fails, leave everything as it is.
        """
        read, rest = hits[: self.top], hits[self.top :]
        try:
            logits = self.reranker.scores(question, [f"{hit.title}\n{hit.text}" for hit in read])
        except QuestionTooLong:
            return list(hits)
        except InferenceFailed as error:
            log.warning("passages stay in their order without the reranker", extra={"reason": str(error)})
            return list(hits)
        relevances = relative_probabilities(logits)
        reranked = [replace(hit, score=relevance) for hit, relevance in zip(read, relevances, strict=True)]
        reranked.sort(key=lambda hit: -hit.score)
        least = min(relevances, default=0.0)
        return [*reranked, *(replace(hit, score=least * hit.score) for hit in rest)]


def relative_probabilities(logits: Sequence[float]) -> list[float]:
    """The sigmoid of each over that of the largest; by logarithms, so that none vanishes among small ones."""
    logarithms = [_log_sigmoid(logit) for logit in logits]
    best = max(logarithms, default=0.0)
    return [math.exp(logarithm - best) for logarithm in logarithms]


def _log_sigmoid(logit: float) -> float:
    return min(logit, 0.0) - math.log1p(math.exp(-abs(logit)))
