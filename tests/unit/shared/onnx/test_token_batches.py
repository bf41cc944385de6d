from __future__ import annotations

import random

import pytest

from shared.onnx.token_batches import plan_batches


def test_longest_first_and_cut_where_a_batch_would_grow_too_large() -> None:
    lengths = [8, 64, 8, 40, 300, 8]
    assert plan_batches(lengths, max_texts=32, max_tokens=128) == [[4], [1, 3], [0, 2, 5]]


def test_no_more_texts_in_a_batch_than_allowed() -> None:
    assert plan_batches([8] * 5, max_texts=2, max_tokens=1000) == [[0, 1], [2, 3], [4]]


def test_no_texts_no_batches() -> None:
    assert plan_batches([], max_texts=2, max_tokens=10) == []


@pytest.mark.parametrize("seed", range(20))
def test_every_text_once_and_within_the_limits(seed: int) -> None:
    rng = random.Random(seed)
    lengths = [rng.randrange(1, 257) for _ in range(rng.randrange(200))]
    max_texts, max_tokens = rng.randrange(1, 20), rng.randrange(1, 600)
    plan = plan_batches(lengths, max_texts=max_texts, max_tokens=max_tokens)
    assert sorted(row for batch in plan for row in batch) == list(range(len(lengths)))
    for batch in plan:
        longest = max(lengths[row] for row in batch)
        assert lengths[batch[0]] == longest
        assert len(batch) <= max_texts
        assert len(batch) == 1 or longest * len(batch) <= max_tokens
