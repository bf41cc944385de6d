from __future__ import annotations

import numpy as np
import pytest

from shared.errors import ConfigurationError
from shared.vector_store.faiss_store.recipe import IndexRecipe, search_parameters


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
    ],
)
def test_how_much_training_needs(description: str, points: int) -> None:
    assert IndexRecipe(description, 32).training_points == points


@pytest.mark.parametrize("description", ["PQ8", "OPQ8,PQ8", "PCA16,PQ8", "NSG16", "RQ4x4", "PQ8,RFlat"])
def test_what_cannot_be_filtered_is_refused_before_there_is_any_data(description: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"FAISS_INDEX={description}: faiss cannot filter"):
        IndexRecipe(description, 32)


@pytest.mark.parametrize(
    "description", ["Flat", "SQ8", "SQfp16", "HNSW16", "IVF8,Flat", "IVF8,SQ8", "PCA8,IVF8,Flat", "SQ8,RFlat"]
)
def test_what_is_accepted_can_be_filtered(description: str) -> None:
    rows = np.random.default_rng(0).standard_normal((1_000, 32)).astype(np.float32)
    index = IndexRecipe(description, 32).create(rows)
    index.add(rows)
    mask = np.zeros(1_000, dtype=np.bool_)
    mask[::5] = True
    found = index.search(rows[:1], 10, params=search_parameters(index, mask, 10))[1][0]
    assert len(found[found >= 0])
    assert mask[found[found >= 0]].all()


def test_refusals_name_the_setting_and_leave_out_faiss_source_lines() -> None:
    with pytest.raises(ConfigurationError) as caught:
        IndexRecipe("Flt", 32)
    assert str(caught.value).startswith("FAISS_INDEX=Flt: could not parse index string Flt; use a faiss")
    assert ".cpp" not in str(caught.value)


def test_failed_training_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigurationError, match=r"FAISS_INDEX=IVF64,Flat: training on 3 embeddings failed"):
        IndexRecipe("IVF64,Flat", 4).create(np.eye(4, dtype=np.float32)[:3])


@pytest.mark.parametrize(("lists", "visited"), [(2, 2), (16, 8), (100, 20)])
def test_a_search_visits_more_than_one_list(lists: int, visited: int) -> None:
    rows = np.random.default_rng(0).standard_normal((3_900, 8)).astype(np.float32)
    index = IndexRecipe(f"IVF{lists},Flat", 8).create(rows)
    assert search_parameters(index, np.ones(1, dtype=np.bool_), 1).nprobe == visited
