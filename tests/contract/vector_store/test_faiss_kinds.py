"""The port's laws with indexes that are not exact: what they rank is rescored, so the laws hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shared.domain import Hit, Match, SearchFilter
from shared.ports import VectorStore
from shared.vector_store.faiss_store.store import FaissStore
from tests.contract.vector_store.builders import DIMENSION, ManualClock
from tests.contract.vector_store.contract import VectorStoreContract

if TYPE_CHECKING:
    from shared.ports import Embedding


class SettledStore(FaissStore):
    """Searches what is built aside as soon as it is wanted."""

    def search(self, embedding: Embedding, top_k: int, where: SearchFilter | None = None) -> list[Hit]:
        self.warm_up()
        return super().search(embedding, top_k, where)

    def nearest(self, embedding: Embedding, top_k: int, where: SearchFilter | None = None) -> list[Match]:
        self.warm_up()
        return super().nearest(embedding, top_k, where)


class TestFaissStoreThatSwitchesToBytes(VectorStoreContract):
    """And back, in the midst of nearly every test."""

    index = "auto"
    store_class: type[FaissStore] = SettledStore

    @pytest.fixture
    def store(self, clock: ManualClock, tmp_path: Path) -> Iterator[VectorStore]:
        store = self.store_class(
            tmp_path / "store.sqlite",
            embedder_name="test",
            dimension=DIMENSION,
            index_description=self.index,
            flat_up_to=2,
            clock=clock,
        )
        yield store
        store.close()


class TestFaissStoreThatSwitchesMeanwhile(TestFaissStoreThatSwitchesToBytes):
    store_class = FaissStore


class TestFaissStoreOfHalfPrecision(TestFaissStoreThatSwitchesToBytes):
    index = "SQfp16"
