"""Embeddings from an ONNX export, whatever runs it; neither torch nor transformers is loaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import numpy as np

from shared.embedder.onnx_files import OnnxFiles, locate_onnx_files
from shared.embedder.token_batches import BatchTokenizer, TokenBatch, TokenIds, TokenStates, pool

if TYPE_CHECKING:
    from shared.ports import Embeddings


class InferenceSession(Protocol):
    """A loaded model. Safe to call from several threads, and best called from ``workers`` at a time."""

    @property
    def workers(self) -> int: ...

    @property
    def dimension(self) -> int: ...

    @property
    def batch_tokens(self) -> int:
        """The batch size, in tokens, at which it is fastest."""

    @property
    def length_multiple(self) -> int:
        """Lengths should be multiples of this, because each new shape costs."""

    def run(self, ids: TokenIds, mask: TokenIds) -> TokenStates:
        """The last hidden states; valid until the next call from the same thread."""


SessionOpener = Callable[[OnnxFiles, int], InferenceSession]
"""Files and number of threads to session; :raises ModelMissing: the runtime cannot load the file."""


class OnnxEmbedder:
    """Each batch runs on one thread, several batches at a time: threads that share a batch wait for each
    other, which costs a third of their time.

    :raises ModelMissing: the export or its tokenizer is not on this machine.
    """

    def __init__(
        self, model: str, open_session: SessionOpener, *, batch_size: int = 32, threads: int | None = None
    ) -> None:
        """``batch_size``: texts in a batch at most; usually the runtime wants fewer, by their tokens.
        ``threads``: ``None`` for as many as there are cores."""
        self._files = locate_onnx_files(model)
        self._batch_size = batch_size
        self._tokenizer = BatchTokenizer(self._files)
        self._session = open_session(self._files, threads or available_cores())
        self._pool = ThreadPoolExecutor(self._session.workers, thread_name_prefix="embedder")

    @property
    def name(self) -> str:
        return self._files.name

    @property
    def dimension(self) -> int:
        return self._session.dimension

    @property
    def max_tokens(self) -> int:
        return self._files.max_tokens - self._tokenizer.special_tokens

    def embed(self, texts: Sequence[str]) -> Embeddings:
        embeddings = np.empty((len(texts), self.dimension), dtype=np.float32)
        batches = self._tokenizer.batches(
            texts,
            max_texts=self._batch_size,
            max_tokens=self._session.batch_tokens,
            multiple_of=self._session.length_multiple,
            shares=self._session.workers,
        )
        for batch, rows in zip(batches, self._pool.map(self._embed_batch, batches), strict=True):
            embeddings[batch.rows] = rows
        return embeddings

    def _embed_batch(self, batch: TokenBatch) -> Embeddings:
        return pool(self._session.run(batch.ids, batch.mask), batch.mask, self._files.pooling)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._tokenizer.count(texts)


def available_cores() -> int:
    """What this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
