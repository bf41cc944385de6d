"""Embeddings from an ONNX export, whatever runs it; neither torch nor transformers is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from shared.embedder.onnx_files import locate_onnx_files, onnx_missing
from shared.embedder.pooling import pool
from shared.embedder.word_counts import WordCounts
from shared.onnx.batched_model import BatchedModel
from shared.onnx.export import UnusableExport
from shared.onnx.session import SessionOpener, available_cores
from shared.onnx.token_batches import BatchTokenizer, TokenBatch

if TYPE_CHECKING:
    from shared.embedder.pooling import TokenStates
    from shared.ports import Embeddings

_AXES_OF_TOKEN_STATES = 3


class OnnxEmbedder:
    """:raises ModelMissing: the export or its tokenizer is not on this machine.
    :raises RuntimeMissing: what ``open_session`` needs is not installed."""

    def __init__(
        self, model: str, open_session: SessionOpener, *, batch_size: int = 32, threads: int | None = None
    ) -> None:
        """``batch_size``: texts in a batch at most; usually the runtime wants fewer, by their tokens.
        ``threads``: ``None`` for as many as there are cores."""
        try:
            self._files = locate_onnx_files(model)
            export, max_tokens = self._files.export, self._files.max_tokens
            tokenizer = BatchTokenizer(export, max_tokens=max_tokens)
            session = open_session(export.model, threads or available_cores(), _AXES_OF_TOKEN_STATES)
        except UnusableExport as error:
            raise onnx_missing(model, str(error)) from error
        self._max_tokens = max_tokens - int(tokenizer.whole.num_special_tokens_to_add(False))
        self._words = WordCounts(tokenizer.whole)
        self._dimension = session.width
        self._model = BatchedModel(tokenizer, session, batch_size=batch_size, thread_name="embedder")

    @property
    def name(self) -> str:
        return self._files.name

    @property
    def dimension(self) -> int:
        return self._dimension

    @property
    def max_tokens(self) -> int:
        return self._max_tokens

    def embed(self, texts: Sequence[str]) -> Embeddings:
        embeddings = np.empty((len(texts), self.dimension), dtype=np.float32)
        for rows, vectors in self._model.run(texts, self._pooled):
            embeddings[rows] = vectors
        return embeddings

    def _pooled(self, states: TokenStates, batch: TokenBatch) -> Embeddings:
        return pool(states, batch.mask, self._files.pooling)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._words.count(texts)
