"""What is found must not depend on whether a sketch picked the candidates or all bytes were read."""

from __future__ import annotations

import numpy as np
import pytest

from shared.vector_store.faiss_store.byte_index import SAMPLE_SIZE, ByteIndex
from shared.vector_store.faiss_store.engine import Chosen

DIMENSION = 64
CLUSTERS = 300


def clustered_rows(count: int, seed: int) -> np.ndarray:
    """As embeddings of texts are: some near, most of them far."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(1).standard_normal((CLUSTERS, DIMENSION))
    rows = centres[random.integers(0, CLUSTERS, count)] + 0.7 * random.standard_normal((count, DIMENSION))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


ROWS = clustered_rows(30_000, seed=2)
QUERIES = clustered_rows(50, seed=3)


@pytest.fixture(scope="module")
def index() -> ByteIndex:
    index = ByteIndex(DIMENSION, ROWS[:SAMPLE_SIZE])
    for start in range(0, len(ROWS), 4_096):
        index.add(ROWS[start : start + 4_096])
    return index


@pytest.fixture(scope="module")
def without_sketch() -> ByteIndex:
    index = ByteIndex(DIMENSION, ROWS[: SAMPLE_SIZE - 1])
    index.add(ROWS)
    return index


def recall(index: ByteIndex, chosen: Chosen, count: int, of: int) -> float:
    """The share of the true best ``of`` that is among ``count``."""
    shares = []
    for query in QUERIES:
        truth = np.argsort(-np.where(chosen.mask, ROWS @ query, -2))[:of]
        positions, _ = index.search(query, count, chosen)
        assert chosen.mask[positions].all()
        assert len(positions) == len(set(positions.tolist())) == min(count, np.count_nonzero(chosen.mask))
        shares.append(np.isin(truth, positions).mean())
    return float(np.mean(shares))


@pytest.mark.parametrize("dead_share", [0.0, 0.25])
def test_the_sketch_loses_nothing_that_counts(index: ByteIndex, dead_share: float) -> None:
    mask = np.random.default_rng(4).random(len(ROWS)) >= dead_share
    chosen = Chosen(mask, float(mask.mean()))
    assert recall(index, chosen, 158, 100) > 0.998
    assert recall(index, chosen, 38, 10) > 0.998
    assert "selector" not in vars(chosen), "all bytes were read"


def test_with_the_sketch_and_without_the_scores_are_the_same(
    index: ByteIndex, without_sketch: ByteIndex
) -> None:
    everything = Chosen(np.ones(len(ROWS), dtype=np.bool_), 1.0)
    for query in QUERIES:
        positions, scores = index.search(query, 20, everything)
        expected, expected_scores = without_sketch.search(query, 20, everything)
        assert scores == pytest.approx(expected_scores, abs=0.005)
        assert scores == pytest.approx(ROWS[positions] @ query, abs=0.03)
        assert len(set(positions.tolist()) & set(expected.tolist())) >= 19


@pytest.mark.parametrize(
    ("share", "count"), [(0.01, 40), (0.5, 40), (1.0, 401)], ids=["rare", "half", "very many"]
)
def test_all_bytes_are_read_where_the_sketch_is_of_no_use(index: ByteIndex, share: float, count: int) -> None:
    mask = np.random.default_rng(5).random(len(ROWS)) < share
    chosen = Chosen(mask, float(mask.mean()))
    assert recall(index, chosen, count, 10) > 0.998
    assert "selector" in vars(chosen)


def test_where_the_nearest_are_dead_all_bytes_are_read(index: ByteIndex) -> None:
    """The old versions of a page are near to its new one."""
    query = QUERIES[0]
    mask = np.ones(len(ROWS), dtype=np.bool_)
    mask[np.argsort(-(ROWS @ query))[:2_000]] = False
    chosen = Chosen(mask, float(mask.mean()))
    positions, _ = index.search(query, 100, chosen)
    assert len(positions) == 100
    assert mask[positions].all()
    assert "selector" in vars(chosen)


def test_fewer_than_were_wanted_are_all_that_there_are() -> None:
    index = ByteIndex(DIMENSION, ROWS[:SAMPLE_SIZE])
    index.add(ROWS[:5])
    mask = np.array([True, True, True, True, False])
    positions, _ = index.search(ROWS[2], 9, Chosen(mask, 0.8))
    assert sorted(positions.tolist()) == [0, 1, 2, 3]
    assert positions[0] == 2


def test_an_odd_number_of_components_has_no_sketch() -> None:
    rows = ROWS[:2_000, :63] / np.linalg.norm(ROWS[:2_000, :63], axis=1, keepdims=True)
    index = ByteIndex(63, rows)
    index.add(rows)
    positions, _ = index.search(rows[7], 1, Chosen(np.ones(2_000, dtype=np.bool_), 1.0))
    assert positions.tolist() == [7]
