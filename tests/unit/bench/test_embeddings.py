from __future__ import annotations

import numpy as np

from bench.embeddings import QUERIES, extended


def unit_rows(count: int) -> np.ndarray:
    rows = np.random.default_rng(3).standard_normal((count, 16)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_mixed_rows_are_new_unit_vectors_that_lie_near_a_real_one_but_never_near_a_query() -> None:
    rows = unit_rows(QUERIES + 200)
    texts, more = extended([str(number) for number in range(len(rows))], rows, QUERIES + 1_000)
    assert len(texts) == len(more) == QUERIES + 1_000
    assert np.array_equal(more[: len(rows)], rows)
    mixed = more[len(rows) :]
    assert np.allclose(np.linalg.norm(mixed, axis=1), 1, atol=1e-6)
    nearest = np.max(mixed @ rows[QUERIES:].T, axis=1)
    assert nearest.min() > 0.6
    sources = {int(part) for text in texts[len(rows) :] for part in text.split(" / ")}
    assert min(sources) >= QUERIES


def test_what_is_there_already_is_not_mixed() -> None:
    rows = unit_rows(QUERIES + 10)
    texts = [str(number) for number in range(len(rows))]
    assert extended(texts, rows, len(rows)) == (texts, rows)
