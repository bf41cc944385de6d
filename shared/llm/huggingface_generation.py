"""Greedy generation by transformers, its tokens turned to text one by one, stopped when asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream
from transformers import GenerationConfig, StoppingCriteria
from transformers.generation.streamers import BaseStreamer

_BROKEN = "\ufffd"


class GreedyGenerator:
    """One generation at a time."""

    def __init__(self, model: Any, tokenizer: Tokenizer, pad_token_id: int | None, end_token_id: int | None):
        """``model``: of transformers, with the end tokens of its own generation configuration beside
        ``end_token_id``."""
        own = model.generation_config
        ends = sorted({*_listed(own.eos_token_id), *_listed(end_token_id)})
        # Without the repository's sampling and penalties: the same prompt gives the same answer.
        model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
            do_sample=False,
            num_beams=1,
            eos_token_id=ends or None,
            pad_token_id=next(iter([*_listed(pad_token_id), *ends]), 0),
            bos_token_id=own.bos_token_id,
            decoder_start_token_id=own.decoder_start_token_id,
            forced_bos_token_id=own.forced_bos_token_id,
        )
        self._model = model
        self._tokenizer = tokenizer

    def generate(
        self,
        token_ids: list[int],
        max_new_tokens: int,
        on_text: Callable[[str], None],
        is_cancelled: Callable[[], bool],
    ) -> int:
        """Calls ``on_text`` with whole characters, as they come; asks ``is_cancelled`` at each token. Returns
        how many tokens it generated, their end included."""
        stream = _TextStream(self._tokenizer, on_text)
        inputs = torch.tensor([token_ids], device=self._model.device)
        self._model.generate(
            inputs,
            attention_mask=torch.ones_like(inputs),
            max_new_tokens=max_new_tokens,
            streamer=stream,
            stopping_criteria=[_Cancelled(is_cancelled)],
        )
        return stream.tokens


class _TextStream(BaseStreamer):
    """transformers' own streamer waits for the end of a word, and loses spaces after a line's end."""

    def __init__(self, tokenizer: Tokenizer, on_text: Callable[[str], None]) -> None:
        self._tokenizer = tokenizer
        self._on_text = on_text
        self._stream = DecodeStream(skip_special_tokens=True)
        self._starts = True
        self._token_ids: list[int] = []
        self._sent = 0

    @property
    def tokens(self) -> int:
        return len(self._token_ids)

    def put(self, value: torch.Tensor) -> None:
        if self._starts:  # with the prompt, or with what a decoder starts from
            self._starts = False
            return
        for token_id in value.tolist():
            self._token_ids.append(token_id)
            self._send(self._stream.step(self._tokenizer, token_id))

    def end(self) -> None:
        """Whole characters may stand before a broken one that was never completed."""
        text = self._tokenizer.decode(self._token_ids, skip_special_tokens=True)
        self._send(text[self._sent :].rstrip(_BROKEN))

    def _send(self, text: str | None) -> None:
        if text:
            self._sent += len(text)
            self._on_text(text)


class _Cancelled(StoppingCriteria):
    def __init__(self, is_cancelled: Callable[[], bool]) -> None:
        self._is_cancelled = is_cancelled

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), self._is_cancelled(), device=input_ids.device)


def _listed(token_id: int | list[int] | None) -> list[int]:
    if token_id is None:
        return []
    return token_id if isinstance(token_id, list) else [token_id]
