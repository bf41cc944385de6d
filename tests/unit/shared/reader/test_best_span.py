"""The best span is what trying all of them finds."""

from __future__ import annotations

import random

import numpy as np
import pytest

from shared.reader.best_span import best_span


@pytest.mark.parametrize("seed", range(40))
def test_no_span_is_better(seed: int) -> None:
    rng = random.Random(seed)
    length, most = rng.randrange(1, 40), rng.randrange(1, 12)
    logits = np.array([[rng.uniform(-9, 9) for _ in "se"] for _ in range(length)], dtype=np.float32)
    usable = np.array([rng.random() < 0.7 for _ in range(length)])
    scores = {
        (first, last): float(logits[first, 0] + logits[last, 1])
        for first in range(length)
        for last in range(first, min(first + most, length))
        if usable[first] and usable[last]
    }
    found = best_span(logits, usable, most)
    if not scores:
        assert found is None
        return
    assert found is not None
    assert found.score == pytest.approx(max(scores.values()))
    assert scores[found.first, found.last] == pytest.approx(found.score)


def test_nothing_to_choose_from() -> None:
    assert best_span(np.zeros((3, 2), dtype=np.float32), np.zeros(3, dtype=np.bool_), 5) is None
