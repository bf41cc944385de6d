"""A BERT-like cross-encoder from an ONNX export; neither torch nor transformers is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from shared.onnx.export import UnusableExport
from shared.onnx.model_folder import refused
from shared.onnx.pair_model import PairModel
from shared.onnx.session import InferenceSession, SessionOpener
from shared.onnx.token_batches import TokenBatch

if TYPE_CHECKING:
    from shared.onnx.session import Output

_AXES_OF_LOGITS = 2
_MOST_LABELS = 2
_LEAST_PASSAGE_SHARE = 0.25
"""Of the model's length; with less, what was cut off decides the order."""


class CrossEncoderReranker:
    """The model gives one number, or the logits of "irrelevant" and "relevant".

    :raises ModelMissing: the export or its tokenizer is not on this machine, or is of another kind.
    :raises RuntimeMissing: a package that ``open_session`` or a repository's name needs is not installed.
    """

    def __init__(self, model: str, open_session: SessionOpener, *, threads: int | None = None) -> None:
        """``threads``: ``None`` for as many as there are cores."""
        with refused("RERANKER", model, "a cross-encoder"):
            self._pairs = PairModel(
                model,
                open_session,
                threads=threads,
                axes=_AXES_OF_LOGITS,
                least_passage_share=_LEAST_PASSAGE_SHARE,
            )
            _check_labels(self._pairs.session)
        self._model = self._pairs.batched("reranker")

    @property
    def name(self) -> str:
        return self._pairs.name

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        if not texts:
            return []
        self._pairs.check_room(question)
        scores = np.empty(len(texts), dtype=np.float32)
        for rows, logits in self._model.run([(question, text) for text in texts], _relevance):
            scores[rows] = logits
        return [float(score) for score in scores]


def _relevance(logits: Output, batch: TokenBatch) -> Output:
    """(texts, labels) to (texts,)."""
    relevance: Output = logits[:, -1] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
    return relevance.copy()


def _check_labels(session: InferenceSession) -> None:
    if session.width > _MOST_LABELS:
        raise UnusableExport(f"it has {session.width} outputs for a pair; a cross-encoder has 1 or 2")
