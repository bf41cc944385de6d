"""The embedder port, each call of the model measured."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.observability.exemplars import exemplar
from shared.observability.metrics import ModelOperations
from shared.ports import Embedder

if TYPE_CHECKING:
    from shared.ports import Embeddings


class MeasuredEmbedder:
    """``embedder``, for whoever calls it. ``provider``: what EMBEDDER names."""

    def __init__(self, embedder: Embedder, operations: ModelOperations, provider: str) -> None:
        self._embedder = embedder
        self._duration = operations.of_embeddings(provider, embedder.name)

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    @property
    def max_tokens(self) -> int:
        return self._embedder.max_tokens

    def embed(self, texts: Sequence[str]) -> Embeddings:
        start = time.perf_counter()
        embeddings = self._embedder.embed(texts)
        self._duration.observe(time.perf_counter() - start, exemplar())
        return embeddings

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)
