"""Convex combination of dense and lexical scores. Pure.

Each side is divided by its best score, so that both lie in [0, 1] with a zero that means something (no
similarity, no term in common); ranks alone (reciprocal rank fusion) throw away how far apart the scores are.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def fuse(dense: Mapping[Key, float], lexical: Mapping[Key, float], dense_weight: float) -> dict[Key, float]:
    """A score in [0, 1] for every key of either side; a key that one side did not find counts 0 there."""
    scores = _scaled(dense, dense_weight)
    for key, relevance in _scaled(lexical, 1 - dense_weight).items():
        scores[key] = scores.get(key, 0.0) + relevance
    return scores


def _scaled(scores: Mapping[Key, float], weight: float) -> dict[Key, float]:
    best = max(scores.values(), default=0.0)
    if best <= 0:
        return dict.fromkeys(scores, 0.0)
    return {key: weight * (score / best) if score > 0 else 0.0 for key, score in scores.items()}
