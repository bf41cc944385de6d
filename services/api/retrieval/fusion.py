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
    similarity, relevance = _scaled(dense), _scaled(lexical)
    return {
        key: dense_weight * similarity.get(key, 0.0) + (1 - dense_weight) * relevance.get(key, 0.0)
        for key in similarity.keys() | relevance.keys()
    }


def _scaled(scores: Mapping[Key, float]) -> dict[Key, float]:
    best = max(scores.values(), default=0.0)
    if best <= 0:
        return dict.fromkeys(scores, 0.0)
    return {key: max(0.0, score) / best for key, score in scores.items()}
