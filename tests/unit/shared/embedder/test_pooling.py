from __future__ import annotations

import numpy as np
import pytest

from shared.embedder.pooling import pool


def test_padding_does_not_count() -> None:
    states = np.array([[[3, 0], [0, 4], [100, 100]], [[1, 0], [1, 0], [1, 0]]], dtype=np.float32)
    mask = np.array([[1, 1, 0], [1, 1, 1]])
    assert pool(states, mask, "mean") == pytest.approx(np.array([[0.6, 0.8], [1, 0]]))
    assert pool(states, mask, "cls") == pytest.approx(np.array([[1, 0], [1, 0]]))


def test_states_that_cancel_out_are_still_numbers() -> None:
    states = np.array([[[1, 0], [-1, 0]]], dtype=np.float32)
    assert np.isfinite(pool(states, np.array([[1, 1]]), "mean")).all()
