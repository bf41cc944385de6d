"""Where the stores under test live: opened again and again, by several owners, and empty for each test."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Protocol

from shared.ports import Clock, VectorStore
from shared.settings import VectorStoreSettings
from shared.vector_store.faiss_store.plan import FLAT_UP_TO
from shared.vector_store.faiss_store.store import FaissStore
from shared.vector_store.memory_store import MemoryStore
from shared.vector_store.redis_store.keys import shard_of
from shared.vector_store.redis_store.store import open_redis_store
from tests.contract.vector_store.builders import DIMENSION

_numbers = itertools.count()


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
    """``flat_up_to``: chunks beyond which ``auto`` takes another index than the exact one."""

    def __init__(self, index: str, flat_up_to: int = FLAT_UP_TO) -> None:
        self.exact = index == "Flat"
        self._index = index
        self._flat_up_to = flat_up_to
        self._folder = tempfile.TemporaryDirectory()

    def open(self, clock: Clock) -> VectorStore:
        return FaissStore(
            Path(self._folder.name) / "store.sqlite",
            embedder_name="test",
            dimension=DIMENSION,
            index_description=self._index,
            flat_up_to=self._flat_up_to,
            clock=clock,
        )

    def part_of(self, document_id: str) -> int:
        return 0

    def clear(self) -> None:
        self._folder.cleanup()


class RedisPlace:
    """A prefix of its own on a server, or a cluster, that others use too."""

    exact = True

    def __init__(self, url: str, shards: int) -> None:
        self._settings = VectorStoreSettings(
            redis_url=url, redis_prefix=f"place{next(_numbers)}", redis_shards=shards
        )

    def open(self, clock: Clock) -> VectorStore:
        return open_redis_store(self._settings, embedder_name="test", dimension=DIMENSION, clock=clock)

    def part_of(self, document_id: str) -> int:
        return shard_of(document_id, self._settings.redis_shards)

    def clear(self) -> None:
        """The server is stopped, with all that it holds, when the tests end."""
