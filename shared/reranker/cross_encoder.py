"""A BERT-like cross-encoder from an ONNX export; neither torch nor transformers is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from shared.errors import QuestionTooLong
from shared.onnx.batched_model import BatchedModel
from shared.onnx.export import OnnxExport, UnusableExport, find_export
from shared.onnx.session import InferenceSession, SessionOpener, available_cores
from shared.onnx.token_batches import BatchTokenizer, TokenBatch
from shared.reranker.model_folder import model_folder, reranker_missing

if TYPE_CHECKING:
    from shared.onnx.session import Output

_AXES_OF_LOGITS = 2
_MOST_LABELS = 2
_DEFAULT_MAX_TOKENS = 512
_BATCH_SIZE = 32
_LEAST_PASSAGE_SHARE = 0.25
"""Of the model's length; with less, what was cut off decides the order."""


class CrossEncoderReranker:
    """The model gives one number, or the logits of "irrelevant" and "relevant".

    :raises ModelMissing: the export or its tokenizer is not on this machine, or is of another kind.
    :raises RuntimeMissing: a package that ``open_session`` or a repository's name needs is not installed.
    """

    def __init__(self, model: str, open_session: SessionOpener, *, threads: int | None = None) -> None:
        """``threads``: ``None`` for as many as there are cores."""
        try:
            folder = model_folder(model)
            export = find_export(folder)
            max_tokens = _max_tokens(export)
            tokenizer = BatchTokenizer(export, max_tokens=max_tokens, cut="only_second")
            session = open_session(export.model, threads or available_cores(), _AXES_OF_LOGITS)
            _check_labels(session)
        except UnusableExport as error:
            raise reranker_missing(model, str(error)) from error
        self._name = folder.name if model == str(folder) else model
        self._max_tokens = max_tokens
        self._whole = tokenizer.whole
        self._special_tokens = int(self._whole.num_special_tokens_to_add(True))
        self._model = BatchedModel(tokenizer, session, batch_size=_BATCH_SIZE, thread_name="reranker")

    @property
    def name(self) -> str:
        return self._name

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        if not texts:
            return []
        self._check_room(question)
        scores = np.empty(len(texts), dtype=np.float32)
        for rows, logits in self._model.run([(question, text) for text in texts], _relevance):
            scores[rows] = logits
        return [float(score) for score in scores]

    def _check_room(self, question: str) -> None:
        """The tokenizer cuts nothing but passages, and fails where that is not enough."""
        tokens = len(self._whole.encode(question, add_special_tokens=False).ids)
        room = self._max_tokens - self._special_tokens
        if tokens > room * (1 - _LEAST_PASSAGE_SHARE):
            raise QuestionTooLong(f"{tokens} tokens, where {self._name} reads {room} with the passage")


def _relevance(logits: Output, batch: TokenBatch) -> Output:
    """(texts, labels) to (texts,)."""
    relevance: Output = logits[:, -1] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
    return relevance.copy()


def _check_labels(session: InferenceSession) -> None:
    if session.width > _MOST_LABELS:
        raise UnusableExport(f"it has {session.width} outputs for a pair; a cross-encoder has 1 or 2")


def _max_tokens(export: OnnxExport) -> int:
    limits = (
        export.configuration("tokenizer_config.json").get("model_max_length"),
        export.configuration("config.json").get("max_position_embeddings"),
    )
    return min((int(limit) for limit in limits if limit), default=_DEFAULT_MAX_TOKENS)
