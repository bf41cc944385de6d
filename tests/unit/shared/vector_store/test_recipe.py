from __future__ import annotations

import numpy as np
import pytest

from shared.errors import ConfigurationError
from shared.vector_store.faiss_store.recipe import IndexRecipe


@pytest.mark.parametrize(
    ("description", "points"),
    [
        ("Flat", 0),
        ("HNSW32", 0),
        ("SQ8", 1_000),
        ("IVF16,Flat", 1_000),
        ("IVF256,Flat", 9_984),
        ("PCA16,IVF256,Flat", 9_984),
        ("PQ8", 9_984),
        ("IVF16,PQ8", 9_984),
    ],
)
def test_how_much_training_needs(description: str, points: int) -> None:
    assert IndexRecipe(description, 32).training_points == points


def test_refusals_name_the_setting_and_leave_out_faiss_source_lines() -> None:
    with pytest.raises(ConfigurationError) as caught:
        IndexRecipe("Flt", 32)
    assert str(caught.value).startswith("FAISS_INDEX=Flt: could not parse index string Flt; use a faiss")
    assert ".cpp" not in str(caught.value)


def test_failed_training_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigurationError, match=r"FAISS_INDEX=IVF64,Flat: training on 3 embeddings failed"):
        IndexRecipe("IVF64,Flat", 4).create(np.eye(4, dtype=np.float32)[:3])
