from __future__ import annotations

import pytest

from shared.errors import ConfigurationError
from shared.vector_store.faiss_store.plan import FLAT_UP_TO, IndexPlan
from shared.vector_store.faiss_store.recipe import BYTES


def test_auto_is_exact_while_that_is_fast() -> None:
    plan = IndexPlan("auto", 8)
    assert plan.recipe_for(0).kind == "Flat"
    assert plan.recipe_for(FLAT_UP_TO).kind == "Flat"
    assert plan.recipe_for(FLAT_UP_TO + 1).kind == BYTES


def test_auto_does_not_flip_back_and_forth() -> None:
    plan = IndexPlan("auto", 8, flat_up_to=100)
    current = plan.recipe_for(101)
    for chunks, expected in (
        (99, BYTES),
        (101, BYTES),
        (50, BYTES),
        (49, "Flat"),
        (100, "Flat"),
        (101, BYTES),
    ):
        current = plan.recipe_for(chunks, current)
        assert current.kind == expected, chunks


def test_another_kind_comes_with_enough_to_train_on_and_stays() -> None:
    plan = IndexPlan("IVF8,Flat", 8)
    assert plan.training_points == 1_000
    assert plan.recipe_for(999).kind == "Flat"
    trained = plan.recipe_for(1_000)
    assert trained.kind == "IVF8,Flat"
    assert plan.recipe_for(3, trained) is trained


def test_what_needs_no_training_is_used_at_once() -> None:
    assert IndexPlan("HNSW16", 8).recipe_for(0).kind == "HNSW16"
    assert IndexPlan("Flat", 8).recipe_for(10**6).kind == "Flat"


def test_nonsense_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigurationError, match=r"FAISS_INDEX=automatic: .*use auto, or"):
        IndexPlan("automatic", 8)
