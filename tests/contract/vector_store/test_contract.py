from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.ports import VectorStore
from shared.vector_store.faiss_store.plan import FLAT_UP_TO
from shared.vector_store.faiss_store.store import FaissStore
from shared.vector_store.memory_store import MemoryStore
from tests.contract.vector_store.builders import DIMENSION, ManualClock
from tests.contract.vector_store.contract import VectorStoreContract


class TestMemoryStore(VectorStoreContract):
    @pytest.fixture
    def store(self, clock: ManualClock) -> VectorStore:
        return MemoryStore(DIMENSION, clock)


class TestFaissStore(VectorStoreContract):
    index = "Flat"
    flat_up_to = FLAT_UP_TO

    @pytest.fixture
    def store(self, clock: ManualClock, tmp_path: Path) -> Iterator[VectorStore]:
        store = FaissStore(
            tmp_path / "store.sqlite",
            embedder_name="test",
            dimension=DIMENSION,
            index_description=self.index,
            flat_up_to=self.flat_up_to,
            clock=clock,
        )
        yield store
        store.close()


class TestFaissStoreStandingInForAnUntrainedIndex(TestFaissStore):
    index = "IVF4,Flat"


class TestFaissStoreOnBytes(TestFaissStore):
    """The index of large stores, from the second chunk on."""

    index = "auto"
    flat_up_to = 1
