"""Texts to batches of token ids that waste little on padding."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from shared.onnx.export import OnnxExport, UnusableExport

TokenIds = NDArray[np.int64]  # (texts, length)
ModelInput = str | tuple[str, str]
Cut = Literal["longest_first", "only_second"]


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """``rows``: which texts these are. ``mask``: 1 for a token, 0 for padding. ``types``: 1 for the tokens of
    a pair's second text, where the model tells the two apart."""

    rows: list[int]
    ids: TokenIds
    mask: TokenIds
    types: TokenIds


class BatchTokenizer:
    """Safe to call from several threads: the tokenizers do not change after the constructor.

    :raises UnusableExport: the tokenizer's file is damaged.
    """

    def __init__(
        self, export: OnnxExport, *, max_tokens: int, cut: Cut = "longest_first", overlap: int = 0
    ) -> None:
        """``max_tokens``: of a text or pair, special ones included. ``cut``: which of a pair gives way.
        ``overlap``: tokens that two windows of one input share."""
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads would cost more than they save
        self._whole = _load(export)
        self._cutting = _load(export)
        self._cutting.enable_truncation(max_tokens, stride=overlap, strategy=cut)
        self._max_tokens = max_tokens
        self._padding_id = export.padding_id()

    @property
    def whole(self) -> Tokenizer:
        """It neither cuts nor pads."""
        return self._whole

    def encode(self, inputs: Sequence[ModelInput]) -> list[Encoding]:
        """One for each; what is too long is cut. They do not tell where in the text their tokens stand."""
        return list(self._cutting.encode_batch_fast(list(inputs)))

    def windows(self, inputs: Sequence[ModelInput]) -> list[list[Encoding]]:
        """Of each input one or more, which together have all of it; with the places of their tokens."""
        whole = self._cutting.encode_batch(list(inputs))
        return [[encoding, *encoding.overflowing] for encoding in whole]

    def batches(
        self,
        encodings: Sequence[Encoding],
        *,
        max_texts: int,
        max_tokens: int,
        multiple_of: int,
        shares: int,
    ) -> list[TokenBatch]:
        """Encodings of like length together, longest first; each is in one batch.

        ``max_tokens``: of a batch, padding included, unless one input alone has more. ``multiple_of``:
        lengths are rounded up to it, so that few shapes occur. ``shares``: how many batches run at a time;
        a few inputs are spread over them.
        """
        lengths = [self._padded_length(len(encoding.ids), multiple_of) for encoding in encodings]
        limit = min(max_tokens, -(-sum(lengths) // shares))
        plan = plan_batches(lengths, max_texts=max_texts, max_tokens=limit)
        return [self._pad(rows, encodings, lengths[rows[0]]) for rows in plan]

    def _padded_length(self, tokens: int, multiple_of: int) -> int:
        return min(self._max_tokens, -(-tokens // multiple_of) * multiple_of)

    def _pad(self, rows: list[int], encodings: Sequence[Encoding], length: int) -> TokenBatch:
        ids = np.full((len(rows), length), self._padding_id, dtype=np.int64)
        mask = np.zeros((len(rows), length), dtype=np.int64)
        types = np.zeros((len(rows), length), dtype=np.int64)
        for line, row in enumerate(rows):
            one = encodings[row].ids
            ids[line, : len(one)] = one
            mask[line, : len(one)] = 1
            types[line, : len(one)] = encodings[row].type_ids
        return TokenBatch(rows, ids, mask, types)


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


def _load(export: OnnxExport) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(export.tokenizer))
    except Exception as error:  # the library raises nothing narrower
        raise UnusableExport(f"tokenizer.json is damaged: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
