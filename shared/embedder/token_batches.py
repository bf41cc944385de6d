"""Texts to batches of token ids that waste little on padding, and token states back to embeddings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from shared.embedder.onnx_files import OnnxFiles, Pooling, onnx_missing
from shared.embedder.word_counts import WordCounts

if TYPE_CHECKING:
    from shared.ports import Embeddings

TokenIds = NDArray[np.int64]  # (texts, length)
TokenStates = NDArray[np.float32]  # (texts, length, dimension)


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """``rows``: which texts these are. ``mask``: 1 for a token, 0 for padding."""

    rows: list[int]
    ids: TokenIds
    mask: TokenIds


class BatchTokenizer:
    """Safe to call from several threads: the tokenizers do not change after the constructor.

    :raises ModelMissing: the tokenizer's file is damaged.
    """

    def __init__(self, files: OnnxFiles) -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads would cost more than they save
        self._whole = _load(files)
        self._words = WordCounts(self._whole)
        self._cutting = _load(files)
        self._cutting.enable_truncation(files.max_tokens)
        self._max_tokens = files.max_tokens
        self._padding_id = files.padding_id

    @property
    def special_tokens(self) -> int:
        """How many the model wants around every text."""
        return int(self._whole.num_special_tokens_to_add(False))

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each whole text, without special ones."""
        return self._words.count(texts)

    def batches(
        self, texts: Sequence[str], *, max_texts: int, max_tokens: int, multiple_of: int, shares: int
    ) -> list[TokenBatch]:
        """Texts of like length together, longest first; each text is in one batch.

        ``max_tokens``: of a batch, padding included, unless one text alone has more. ``multiple_of``:
        lengths are rounded up to it, so that few shapes occur. ``shares``: how many batches run at a time;
        a few texts are spread over them.
        """
        ids = [encoding.ids for encoding in self._cutting.encode_batch_fast(list(texts))]
        lengths = [self._padded_length(len(one), multiple_of) for one in ids]
        limit = min(max_tokens, -(-sum(lengths) // shares))
        plan = plan_batches(lengths, max_texts=max_texts, max_tokens=limit)
        return [self._pad(rows, ids, lengths[rows[0]]) for rows in plan]

    def _padded_length(self, tokens: int, multiple_of: int) -> int:
        return min(self._max_tokens, -(-tokens // multiple_of) * multiple_of)

    def _pad(self, rows: list[int], ids: list[list[int]], length: int) -> TokenBatch:
        padded = np.full((len(rows), length), self._padding_id, dtype=np.int64)
        mask = np.zeros((len(rows), length), dtype=np.int64)
        for line, row in enumerate(rows):
            padded[line, : len(ids[row])] = ids[row]
            mask[line, : len(ids[row])] = 1
        return TokenBatch(rows, padded, mask)


def plan_batches(lengths: Sequence[int], *, max_texts: int, max_tokens: int) -> list[list[int]]:
    """Positions in ``lengths``, longest first, cut where a batch would grow too large; the first of a batch
    is its longest."""
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        batch = batches[-1] if batches else []
        fits = batch and len(batch) < max_texts and lengths[batch[0]] * (len(batch) + 1) <= max_tokens
        if fits:
            batch.append(row)
        else:
            batches.append([row])
    return batches


def pool(states: TokenStates, mask: TokenIds, pooling: Pooling) -> Embeddings:
    """One vector of unit norm for each text: its first token's state, or the mean of all its tokens'."""
    if pooling == "cls":
        vectors = states[:, 0]
    else:  # the sum does as well as the mean: the length is divided out below
        vectors = np.matmul(mask[:, None, :].astype(np.float32), states)[:, 0]
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    embeddings: Embeddings = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
    return embeddings


def _load(files: OnnxFiles) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(files.tokenizer))
    except Exception as error:  # the library raises nothing narrower
        raise onnx_missing(files.setting, f"tokenizer.json is damaged: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
