"""A model that reads a question and a passage together, whatever it says of them."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import QuestionTooLong
from shared.onnx.batched_model import BatchedModel
from shared.onnx.export import find_export
from shared.onnx.model_folder import model_folder
from shared.onnx.session import SessionOpener, available_cores
from shared.onnx.token_batches import BatchTokenizer

_BATCH_SIZE = 32


class PairModel:
    """Passages are cut, questions never.

    :raises UnusableExport: the export or its tokenizer is not on this machine, or is of another kind.
    :raises RuntimeMissing: a package that ``open_session`` or a repository's name needs is not installed.
    """

    def __init__(
        self,
        model: str,
        open_session: SessionOpener,
        *,
        threads: int | None,
        axes: int,
        least_passage_share: float,
        outputs: Sequence[str] = (),
        most_tokens: int | None = None,
        overlap_share: float = 0.0,
    ) -> None:
        """``threads``: ``None`` for as many as there are cores. ``axes``, ``outputs``: see ``SessionOpener``.
        ``most_tokens``: if the model's own limit is higher. Of the model's tokens, a question may leave no
        less than ``least_passage_share`` to the passage, and two windows of a passage share
        ``overlap_share``."""
        folder = model_folder(model)
        export = find_export(folder)
        own_limit = export.max_tokens()
        self.max_tokens = own_limit if most_tokens is None else min(own_limit, most_tokens)
        self.tokenizer = BatchTokenizer(
            export,
            max_tokens=self.max_tokens,
            cut="only_second",
            overlap=int(self.max_tokens * overlap_share),
        )
        self.session = open_session(export.model, threads or available_cores(), axes, outputs)
        self.name = folder.name if model == str(folder) else model
        self._least_passage_share = least_passage_share
        self._special_tokens = int(self.tokenizer.whole.num_special_tokens_to_add(True))

    def batched(self, thread_name: str) -> BatchedModel:
        return BatchedModel(self.tokenizer, self.session, batch_size=_BATCH_SIZE, thread_name=thread_name)

    def check_room(self, question: str) -> None:
        """The tokenizer cuts nothing but passages, and fails where that is not enough.

        :raises QuestionTooLong: it leaves too little of any passage.
        """
        tokens = len(self.tokenizer.whole.encode(question, add_special_tokens=False).ids)
        room = self.max_tokens - self._special_tokens
        if tokens > room * (1 - self._least_passage_share):
            raise QuestionTooLong(f"{tokens} tokens, where {self.name} reads {room} with the passage")
