"""The best answer in one window of a passage, from the model's logits. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from shared.onnx.session import Output


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """From the first to the last of its tokens; ``score``: the sum of their logits."""

    first: int
    last: int
    score: float


def best_span(logits: Output, usable: NDArray[np.bool_], most_tokens: int) -> TokenSpan | None:
    """The highest score of all spans of at most ``most_tokens`` that begin and end at a usable token;
    ``None`` where there is none.

    ``logits`` (length, 2): of an answer that begins at a token, and of one that ends there; finite.
    """
    starts, ends = np.where(usable[:, None], logits, -np.inf).T
    reach = np.append(ends, np.full(most_tokens - 1, -np.inf))
    scores = starts[:, None] + np.lib.stride_tricks.sliding_window_view(reach, most_tokens)
    first, further = divmod(int(scores.argmax()), most_tokens)
    score = float(scores[first, further])
    return TokenSpan(first, first + further, score) if np.isfinite(score) else None
