"""A model for extractive question answering from an ONNX export, as those trained on SQuAD 2.0; neither torch
nor transformers is loaded."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared.domain import FoundSpan
from shared.errors import InferenceFailed
from shared.onnx.export import UnusableExport
from shared.onnx.model_folder import refused
from shared.onnx.pair_model import PairModel
from shared.onnx.session import SessionOpener, one_token
from shared.onnx.token_batches import TokenBatch
from shared.reader.best_span import best_span

if TYPE_CHECKING:
    from tokenizers import Encoding

    from shared.onnx.session import Output

_OUTPUTS = ("start_logits", "end_logits")
_AXES_OF_EACH = 2
_MOST_TOKENS = 384
"""What such models are trained with."""
_OVERLAP = 1 / 3
_MOST_ANSWER_TOKENS = 30
_LEAST_PASSAGE_SHARE = 0.5
"""More than two windows share, or they would get nowhere."""


class QuestionAnsweringReader:
    """The model gives each token the logit of an answer that begins there, and of one that ends there. The
    first token, which stands before the question, has those of "no answer".

    :raises ModelMissing: the export or its tokenizer is not on this machine, or is of another kind.
    :raises RuntimeMissing: a package that ``open_session`` or a repository's name needs is not installed.
    """

    def __init__(self, model: str, open_session: SessionOpener, *, threads: int | None = None) -> None:
        """``threads``: ``None`` for as many as there are cores."""
        with refused("READER", model, "a reader"):
            self._pairs = PairModel(
                model,
                open_session,
                threads=threads,
                axes=_AXES_OF_EACH,
                outputs=_OUTPUTS,
                most_tokens=_MOST_TOKENS,
                overlap_share=_OVERLAP,
                least_passage_share=_LEAST_PASSAGE_SHARE,
            )
            _check(self._pairs)
        self._model = self._pairs.batched("reader")

    @property
    def name(self) -> str:
        return self._pairs.name

    def read(self, question: str, passages: Sequence[str]) -> list[FoundSpan]:
        if not passages:
            return []
        self._pairs.check_room(question)
        of_passages = self._pairs.tokenizer.windows([(question, passage) for passage in passages])
        windows = [window for of_passage in of_passages for window in of_passage]
        owners = [row for row, of_passage in enumerate(of_passages) for _ in of_passage]

        def found(logits: Output, batch: TokenBatch) -> list[FoundSpan]:
            # OpenVINO does not tell of a model that has fewer positions than its folder says.
            if logits.shape[:2] != batch.ids.shape:
                raise InferenceFailed(f"it gives {logits.shape[1]} tokens of {batch.ids.shape[1]} a score")
            return [
                _found_in(windows[row], logits[line], passages[owners[row]])
                for line, row in enumerate(batch.rows)
            ]

        spans: list[list[FoundSpan]] = [[] for _ in passages]
        for rows, of_rows in self._model.run_encoded(windows, found):
            for row, span in zip(rows, of_rows, strict=True):
                spans[owners[row]].append(span)
        return [_of_all_windows(of_passage) for of_passage in spans]


def _found_in(window: Encoding, logits: Output, passage: str) -> FoundSpan:
    logits = logits[: len(window.ids)]
    if not np.isfinite(logits).all():
        raise InferenceFailed("its scores are no numbers")
    no_answer = float(logits[0].sum())
    best = best_span(logits, _usable(window, passage), _MOST_ANSWER_TOKENS)
    if best is None:
        return FoundSpan(0, 0, -np.inf, no_answer)
    start, end = window.offsets[best.first][0], window.offsets[best.last][1]
    return FoundSpan(*_whole_characters(passage, start, end), best.score, no_answer)


def _usable(window: Encoding, passage: str) -> NDArray[np.bool_]:
    """(length,): the passage's tokens that are not white space alone."""
    return np.array(
        [
            sequence == 1 and bool(passage[start:end].strip())
            for sequence, (start, end) in zip(window.sequence_ids, window.offsets, strict=True)
        ]
    )


def _whole_characters(passage: str, start: int, end: int) -> tuple[int, int]:
    """Without the white space that some tokenizers count to a word, and with the accents that others drop
    from its last letter."""
    text = passage[start:end]
    start += len(text) - len(text.lstrip())
    end -= len(text) - len(text.rstrip())
    while end < len(passage) and unicodedata.category(passage[end]).startswith("M"):
        end += 1
    return start, end


def _of_all_windows(found: Sequence[FoundSpan]) -> FoundSpan:
    """SQuAD's rule: the best answer of any window against the least "no answer" of any."""
    best = max(found, key=lambda span: span.score)
    return FoundSpan(best.start, best.end, best.score, min(span.no_answer_score for span in found))


def _check(pairs: PairModel) -> None:
    if pairs.session.run(one_token()).shape[1] != 1:
        raise UnusableExport("its outputs are not one number for each token")
    if not pairs.tokenizer.whole.encode("a", "b").special_tokens_mask[:1] == [1]:
        raise UnusableExport('its tokenizer puts nothing before the question, where "no answer" would stand')
