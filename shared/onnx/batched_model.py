"""A tokenizer and a session together: inputs in, what is read from the model's output back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from shared.onnx.session import InferenceSession, Output
from shared.onnx.token_batches import BatchTokenizer, ModelInput, TokenBatch

Reader = Callable[[Output, TokenBatch], Output]
"""Takes from a batch's output what is wanted, one row for each text; the output is not kept."""


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

    def run(self, inputs: Sequence[ModelInput], read: Reader) -> Iterator[tuple[list[int], Output]]:
        """Positions in ``inputs``, and what was read for them; each position once."""
        batches = self._tokenizer.batches(
            inputs,
            max_texts=self._batch_size,
            max_tokens=self._session.batch_tokens,
            multiple_of=self._session.length_multiple,
            shares=self._session.workers,
        )
        done = self._pool.map(lambda batch: read(self._session.run(batch), batch), batches)
        for batch, rows in zip(batches, done, strict=True):
            yield batch.rows, rows
