"""A tokenizer and a session together: inputs in, what is read from the model's output back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tokenizers import Encoding

from shared.onnx.session import InferenceSession, Output
from shared.onnx.token_batches import BatchTokenizer, ModelInput, TokenBatch

Taken = TypeVar("Taken")
Take = Callable[[Output, TokenBatch], Taken]
"""From a batch's output what is wanted, one row for each text; the output is not kept."""


class BatchedModel:
    """Each batch runs on one thread, several batches at a time: threads that share a batch wait for each
    other, which costs a third of their time. Safe to call from several threads."""

    def __init__(
        self, tokenizer: BatchTokenizer, session: InferenceSession, *, batch_size: int, thread_name: str
    ) -> None:
        """``batch_size``: texts in a batch at most; usually the runtime wants fewer, by their tokens."""
        self._tokenizer = tokenizer
        self._session = session
        self._batch_size = batch_size
        self._pool = ThreadPoolExecutor(session.workers, thread_name_prefix=thread_name)

    def run(self, inputs: Sequence[ModelInput], take: Take[Taken]) -> Iterator[tuple[list[int], Taken]]:
        """Positions in ``inputs``, and what was taken for them; each position once."""
        return self.run_encoded(self._tokenizer.encode(inputs), take)

    def run_encoded(
        self, encodings: Sequence[Encoding], take: Take[Taken]
    ) -> Iterator[tuple[list[int], Taken]]:
        """As ``run``, of what the tokenizer has made of the inputs already."""
        batches = self._tokenizer.batches(
            encodings,
            max_texts=self._batch_size,
            max_tokens=self._session.batch_tokens,
            multiple_of=self._session.length_multiple,
            shares=self._session.workers,
        )
        done = self._pool.map(lambda batch: take(self._session.run(batch), batch), batches)
        for batch, rows in zip(batches, done, strict=True):
            yield batch.rows, rows
