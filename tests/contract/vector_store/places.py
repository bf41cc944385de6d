"""Where the stores under test live: opened again and again, by several owners, and empty for each test."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Protocol

from shared.ports import Clock, VectorStore
from shared.vector_store.faiss_store.store import FaissStore
from shared.vector_store.memory_store import MemoryStore
from tests.contract.vector_store.builders import DIMENSION


class Place(Protocol):
    """One store's place. ``exact``: the ranking misses nothing, at any size."""

    exact: bool

    def open(self, clock: Clock) -> VectorStore: ...

    def part_of(self, document_id: str) -> int:
        """The part of the store whose feed the document stands in."""

    def clear(self) -> None: ...


class MemoryPlace:
    """Nothing outlives the object, so that all owners share the one."""

    exact = True

    def __init__(self) -> None:
        self._store: MemoryStore | None = None

    def open(self, clock: Clock) -> VectorStore:
        if self._store is None:
            self._store = _Unclosable(DIMENSION, clock)
        return self._store

    def part_of(self, document_id: str) -> int:
        return 0

    def clear(self) -> None:
        self._store = None


class _Unclosable(MemoryStore):
    def close(self) -> None:
        """Another owner may go on."""


class FaissPlace:
    def __init__(self, index: str) -> None:
        self.exact = index == "Flat"
        self._index = index
        self._folder = tempfile.TemporaryDirectory()

    def open(self, clock: Clock) -> VectorStore:
        return FaissStore(
            Path(self._folder.name) / "store.sqlite",
            embedder_name="test",
            dimension=DIMENSION,
            index_description=self._index,
            clock=clock,
        )

    def part_of(self, document_id: str) -> int:
        return 0

    def clear(self) -> None:
        self._folder.cleanup()
