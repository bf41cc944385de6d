"""Which calls share a call of the model. A model that waits for a word makes every order happen."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.embedder.hashing import HashingEmbedder
from shared.embedder.micro_batches import MicroBatchingEmbedder
from shared.ports import Embedder
from tests.support.processes import wait_until

SECONDS = 60.0


class HeldModel(HashingEmbedder):
    """Tells of each call, and answers it once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        self.running = 0
        self.most_at_once = 0

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        self.calls.put(list(texts))
        error = self.answers.get(timeout=SECONDS)
        self.running -= 1
        if error is not None:
            raise error
        return super().embed(texts)


class Rig:
    """Callers in threads, whose calls wait where they are sent."""

    def __init__(self, max_texts: int = 8) -> None:
        self.model = HeldModel()
        self.sizes: list[int] = []
        self.embedder = MicroBatchingEmbedder(self.model, max_texts=max_texts, on_batch=self.sizes.append)
        self.pool = ThreadPoolExecutor(16)
        self._queued = 0

    def call(self, *texts: str) -> Future[NDArray[np.float32]]:
        """While the model is busy: returns when the call is in the queue."""
        busy, waiting = self.model.running > 0, len(self.embedder._queue)
        future = self.pool.submit(self.embedder.embed, list(texts))
        if busy:
            wait_until(lambda: len(self.embedder._queue) == waiting + 1, SECONDS, f"{texts} queued")
        return future

    def next_batch(self) -> list[str]:
        return self.model.calls.get(timeout=SECONDS)

    def answer(self, error: Exception | None = None) -> None:
        self.model.answers.put(error)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def expected(*texts: str) -> NDArray[np.float32]:
    return HashingEmbedder().embed(texts)


def test_a_lone_call_goes_to_the_model_as_it_is(rig: Rig) -> None:
    future = rig.call("one", "two")
    assert rig.next_batch() == ["one", "two"]
    rig.answer()
    assert np.array_equal(future.result(SECONDS), expected("one", "two"))


def test_what_queued_up_while_the_model_was_busy_goes_together(rig: Rig) -> None:
    futures = [rig.call("first")]
    assert rig.next_batch() == ["first"]
    futures += [rig.call("second"), rig.call("third", "fourth"), rig.call("fifth")]
    rig.answer()
    assert rig.next_batch() == ["second", "third", "fourth", "fifth"]
    rig.answer()
    results = [future.result(SECONDS) for future in futures]
    assert np.array_equal(np.concatenate(results), expected("first", "second", "third", "fourth", "fifth"))
    assert [len(result) for result in results] == [1, 1, 2, 1]
    assert rig.sizes == [1, 4]
    assert rig.model.most_at_once == 1


def test_a_batch_is_bounded_and_nobody_is_overtaken(rig: Rig) -> None:
    rig.call("busy")
    rig.next_batch()
    rig.call(*"abcde")
    rig.call(*"fgh")
    rig.call(*"ij")
    rig.answer()
    assert rig.next_batch() == list("abcdefgh")
    rig.answer()
    assert rig.next_batch() == list("ij")
    rig.answer()


def test_a_call_that_does_not_fit_is_not_overtaken_by_a_smaller_one(rig: Rig) -> None:
    rig.call("busy")
    rig.next_batch()
    rig.call(*"abcde")
    rig.call(*"fghijk")
    rig.call("l")
    rig.answer()
    assert rig.next_batch() == list("abcde")
    rig.answer()
    assert rig.next_batch() == list("fghijkl")
    rig.answer()


def test_a_question_waits_for_a_piece_of_a_large_call_not_for_all_of_it(rig: Rig) -> None:
    texts = [f"text {number}" for number in range(20)]
    large = rig.call(*texts)
    assert rig.next_batch() == texts[:8]
    question = rig.call("question")
    rig.answer()
    assert rig.next_batch() == ["question"]
    wait_until(lambda: len(rig.embedder._queue) == 1, SECONDS, "the next piece queued")
    rig.answer()
    assert np.array_equal(question.result(SECONDS), expected("question"))
    for piece in (texts[8:16], texts[16:]):
        assert rig.next_batch() == piece
        rig.answer()
    assert np.array_equal(large.result(SECONDS), expected(*texts))


def test_an_error_reaches_exactly_the_callers_of_its_batch(rig: Rig) -> None:
    before = rig.call("before")
    rig.next_batch()
    together = [rig.call("one"), rig.call("two")]
    rig.answer()
    assert rig.next_batch() == ["one", "two"]
    after = rig.call("after")
    rig.answer(MemoryError("no room"))
    assert rig.next_batch() == ["after"]
    rig.answer()
    for future in together:
        with pytest.raises(MemoryError, match="no room"):
            future.result(SECONDS)
    assert np.array_equal(before.result(SECONDS), expected("before"))
    assert np.array_equal(after.result(SECONDS), expected("after"))


def test_the_model_is_free_again_after_an_error(rig: Rig) -> None:
    failing = rig.call("one")
    rig.next_batch()
    rig.answer(RuntimeError("broken"))
    with pytest.raises(RuntimeError):
        failing.result(SECONDS)
    again = rig.call("two")
    assert rig.next_batch() == ["two"]
    rig.answer()
    assert np.array_equal(again.result(SECONDS), expected("two"))


def test_a_result_does_not_keep_the_batch_in_memory(rig: Rig) -> None:
    rig.call("busy")
    rig.next_batch()
    futures = [rig.call("one"), rig.call("two")]
    rig.answer()
    rig.next_batch()
    rig.answer()
    assert all(future.result(SECONDS).base is None for future in futures)


def test_many_callers_get_their_own() -> None:
    """Under no control: whatever the order, everyone gets what it asked for."""
    embedder = MicroBatchingEmbedder(HashingEmbedder(), max_texts=4)
    asked = [[f"text {number} {part}" for part in range(number % 7)] for number in range(400)]
    start = threading.Barrier(16)

    def work(own: list[list[str]]) -> list[NDArray[np.float32]]:
        start.wait(SECONDS)
        return [embedder.embed(texts) for texts in own]

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(work, [asked[first::16] for first in range(16)]))
    for first, rows in enumerate(results):
        for texts, row in zip(asked[first::16], rows, strict=True):
            assert np.array_equal(row, expected(*texts)), texts


def test_it_is_the_embedder_it_was_given() -> None:
    inner: Embedder = HashingEmbedder(16)
    embedder: Embedder = MicroBatchingEmbedder(inner)
    assert (embedder.name, embedder.dimension, embedder.max_tokens) == ("hashing-16", 16, inner.max_tokens)
    assert embedder.count_tokens(["a b", "c"]) == [2, 1]
