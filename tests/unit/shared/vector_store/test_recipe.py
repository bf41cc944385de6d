from __future__ import annotations

import numpy as np
import pytest

from shared.errors import ConfigurationError
from shared.vector_store.faiss_store.engine import Chosen, faiss
from shared.vector_store.faiss_store.recipe import BYTES, IndexRecipe, _search_wider, search_parameters


def unit_rows(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("description", "points"),
    [
        ("Flat", 0),
        ("HNSW32", 0),
        ("SQ8", 1_000),
        ("IVF16,Flat", 1_000),
        ("IVF256,Flat", 9_984),
        ("PCA16,IVF256,Flat", 9_984),
        ("IVF16,PQ8", 9_984),
        (BYTES, 0),
    ],
)
def test_how_much_training_needs(description: str, points: int) -> None:
    assert IndexRecipe(description, 32).training_points == points


@pytest.mark.parametrize("description", ["PQ8", "OPQ8,PQ8", "PCA16,PQ8", "NSG16", "RQ4x4", "PQ8,RFlat"])
def test_what_cannot_be_filtered_is_refused_before_there_is_any_data(description: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"FAISS_INDEX={description}: faiss cannot filter"):
        IndexRecipe(description, 32)


@pytest.mark.parametrize(
    "kind", ["Flat", "SQ8", "SQfp16", "HNSW16", "IVF8,Flat", "IVF8,SQ8", "PCA8,IVF8,Flat", "SQ8,RFlat", BYTES]
)
def test_what_is_accepted_can_be_filtered(kind: str) -> None:
    rows = unit_rows(1_000, 32)
    index = IndexRecipe(kind, 32).create(rows)
    index.add(rows)
    mask = np.zeros(1_000, dtype=np.bool_)
    mask[::5] = True
    positions, _ = index.search(rows[0], 10, Chosen(mask, 0.2))
    assert len(positions)
    assert mask[positions].all()


def test_bytes_are_close_to_the_truth() -> None:
    rows = unit_rows(5_000, 384)
    index = IndexRecipe(BYTES, 384).create(rows[:256])
    index.add(rows)
    assert not index.exact
    everything = Chosen(np.ones(5_000, dtype=np.bool_), 1.0)
    for query in unit_rows(20, 384, seed=1):
        truth = rows @ query
        positions, scores = index.search(query, 40, everything)
        assert scores == pytest.approx(truth[positions], abs=0.01)
        assert set(np.argsort(-truth)[:10].tolist()) <= set(positions.tolist())


def test_bytes_take_components_that_the_sample_did_not_have() -> None:
    """Cut off, not wrapped to the other sign."""
    rows = unit_rows(100, 64)
    spike = np.eye(64, dtype=np.float32)[:1]
    index = IndexRecipe(BYTES, 64).create(rows)
    index.add(np.concatenate([rows, spike]))
    positions, scores = index.search(spike[0], 1, Chosen(np.ones(101, dtype=np.bool_), 1.0))
    assert positions.tolist() == [100]
    assert scores[0] > 0.3


def test_nothing_is_a_sample_too() -> None:
    index = IndexRecipe(BYTES, 8).create(np.empty((0, 8), dtype=np.float32))
    index.add(np.eye(8, dtype=np.float32))
    everything = Chosen(np.ones(8, dtype=np.bool_), 1.0)
    assert index.search(np.eye(8, dtype=np.float32)[3], 1, everything)[0].tolist() == [3]


def test_refusals_name_the_setting_and_leave_out_faiss_source_lines() -> None:
    with pytest.raises(ConfigurationError) as caught:
        IndexRecipe("Flt", 32)
    assert str(caught.value).startswith(
        "FAISS_INDEX=Flt: could not parse index string Flt; use auto, or a faiss"
    )
    assert ".cpp" not in str(caught.value)


def test_failed_training_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigurationError, match=r"FAISS_INDEX=IVF64,Flat: training on 3 embeddings failed"):
        IndexRecipe("IVF64,Flat", 4).create(np.eye(4, dtype=np.float32)[:3])


@pytest.mark.parametrize(
    ("lists", "share", "visited"),
    [(2, 1.0, 2), (16, 1.0, 8), (100, 1.0, 20), (100, 0.5, 40), (100, 0.01, 100)],
)
def test_a_search_visits_more_lists_the_fewer_match(lists: int, share: float, visited: int) -> None:
    rows = unit_rows(3_900, 8)
    index = faiss.index_factory(8, f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(rows)
    _search_wider(index)
    chosen = Chosen(np.ones(1, dtype=np.bool_), share)
    assert search_parameters(index, chosen, 1).nprobe == visited


def test_a_search_leaves_the_threads_of_others_alone() -> None:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    rows = unit_rows(10, 8)
    index = IndexRecipe(BYTES, 8).create(rows)
    index.add(rows)
    try:
        index.search(rows[0], 1, Chosen(np.ones(10, dtype=np.bool_), 1.0))
        assert faiss.omp_get_max_threads() == 2
    finally:
        faiss.omp_set_num_threads(before)
