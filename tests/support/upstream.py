"""Who writes to a store that fails: as the processor does."""

from __future__ import annotations

import random
import time

from shared.errors import StoreUnavailable, WritesLost
from shared.ports import EmbeddedDocument, VectorStore
from shared.vector_store.memory_store import MemoryStore
from tests.contract.vector_store.builders import DIMENSION, axis, embedded


class Upstream:
    """Writes a random history as the processor does: batch by batch, and all since the last flush again
    after a loss."""

    def __init__(self, seed: int, store: VectorStore, prefix: str = "d") -> None:
        self._random = random.Random(seed)
        self._store = store
        self._prefix = prefix
        self._unflushed: list[list[EmbeddedDocument]] = []
        self.oracle = MemoryStore(DIMENSION)
        self.losses = 0
        self.waits = 0

    def write(self, batches: int) -> None:
        for _ in range(batches):
            batch = [
                embedded(
                    f"{self._prefix}{self._random.randrange(30)}",
                    self._random.randrange(1_000),
                    vectors=[
                        axis(self._random.randrange(DIMENSION)) for _ in range(self._random.randint(1, 3))
                    ],
                )
                for _ in range(5)
            ]
            self.oracle.replace(batch)
            self._unflushed.append(batch)
            self._patiently(lambda batch=batch: self._store.replace(batch))

    def flush(self) -> None:
        while True:
            try:
                self._patiently(self._store.flush)
            except WritesLost:
                self.losses += 1
                for batch in self._unflushed:
                    self._patiently(lambda batch=batch: self._store.replace(batch))
            else:
                self._unflushed.clear()
                return

    def _patiently(self, call: object) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                call()  # type: ignore[operator]
            except StoreUnavailable:
                self.waits += 1
                assert time.monotonic() < deadline
            else:
                return

    def assert_equal(self, reader: VectorStore) -> None:
        ids = [f"{self._prefix}{number}" for number in range(30)]
        found, expected = reader.get_many(ids), self.oracle.get_many(ids)
        assert found.keys() == expected.keys()
        for document_id, stored in found.items():
            wanted = expected[document_id]
            assert (stored.document, stored.chunks) == (wanted.document, wanted.chunks)
        top = [(hit.chunk_id, hit.score) for hit in self.oracle.search(axis(0), 1_000)]
        mine = [hit for hit in reader.search(axis(0), 1_000) if hit.document_id in ids]
        assert [(hit.chunk_id, hit.score) for hit in mine] == top
