"""An embedder without a model: words and word pairs, hashed into a vector. Deterministic everywhere.

Texts that share words are similar; it knows nothing of meaning.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from shared.ports import Embedding, Embeddings

_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_PAIR_WEIGHT = 0.5
_MAX_TOKENS = 254  # that of all-MiniLM-L6-v2, so that chunks come out alike


class HashingEmbedder:
    def __init__(self, dimension: int = 384) -> None:
        self._dimension = dimension

    @property
    def name(self) -> str:
        return f"hashing-{self._dimension}"

    @property
    def dimension(self) -> int:
        return self._dimension

    @property
    def max_tokens(self) -> int:
        return _MAX_TOKENS

    def embed(self, texts: Sequence[str]) -> Embeddings:
        embeddings = np.empty((len(texts), self._dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            embeddings[row] = self._embed_one(text)
        return embeddings

    def _embed_one(self, text: str) -> Embedding:
        words = _WORD.findall(text.lower())
        features = Counter(words)
        pairs = Counter(f"{first} {second}" for first, second in pairwise(words))
        vector = np.zeros(self._dimension, dtype=np.float64)
        for counts, weight in ((features, 1.0), (pairs, _PAIR_WEIGHT)):
            for feature, count in counts.items():
                bucket, sign = _bucket(feature)
                vector[bucket % self._dimension] += sign * weight * (1 + math.log(count))
        norm = float(np.linalg.norm(vector))
        if norm == 0:  # no words, or words that cancel out: still a point of its own
            bucket, norm = _bucket(text)
            vector[bucket % self._dimension] = norm
        return (vector / abs(norm)).astype(np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(_TOKEN.findall(text)) for text in texts]


@lru_cache(maxsize=65_536)
def _bucket(feature: str) -> tuple[int, int]:
    """A large number and a sign, the same on every machine."""
    number = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=8).digest())
    return number >> 1, 1 if number & 1 else -1
