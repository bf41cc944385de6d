"""Looking into a store, flushing it, sharing it between threads, closing it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from shared.errors import StoreUnavailable
from shared.ports import VectorStore
from tests.contract.vector_store.builders import (
    DIMENSION,
    ManualClock,
    at,
    axis,
    embedded,
    version,
)
from tests.contract.vector_store.checks import (
    APPLIED,
    DUPLICATE,
    STALE,
    found,
)


class InspectionLaws:
    def test_stats(self, store: VectorStore, clock: ManualClock) -> None:
        empty = store.stats()
        assert (empty.documents, empty.chunks, empty.tombstones) == (0, 0, 0)
        assert empty.as_of is None
        assert empty.last_indexed_at is None
        store.replace([embedded("a", 1, 10, vectors=[axis(0), axis(1)]), embedded("b", 1, 30)])
        clock.advance(seconds=1)
        store.delete("b", version(2, 40))
        stats = store.stats()
        assert (stats.documents, stats.chunks, stats.tombstones) == (1, 2, 1)
        assert stats.as_of == at(40)
        assert stats.last_indexed_at == clock.now()

    def test_as_of_is_never_in_the_future(self, store: VectorStore, clock: ManualClock) -> None:
        store.replace([embedded("a", seconds=0), embedded("future", seconds=10_000_000)])
        assert store.stats().as_of == clock.now()

    def test_the_footprint_grows_with_what_is_stored(self, store: VectorStore) -> None:
        before = store.footprint()
        store.replace([embedded(f"d{i}", 1, vectors=[axis(0)] * 20) for i in range(300)])
        after = store.footprint()
        assert before.used_bytes < after.used_bytes
        assert after.limit_bytes is None or after.used_bytes <= after.limit_bytes


class LifeLaws:
    def test_close_is_idempotent(self, store: VectorStore) -> None:
        store.close()
        store.close()

    def test_a_closed_store_says_so(self, store: VectorStore) -> None:
        store.replace([embedded("a")])
        store.close()
        for call in (
            lambda: store.replace([embedded("b")]),
            lambda: store.search(axis(0), 1),
            lambda: store.nearest(axis(0), 1),
            lambda: store.get_many(["a"]),
            lambda: store.embeddings(["a"]),
            lambda: store.delete("a", version(9)),
            lambda: store.content_hashes(["a"]),
            lambda: store.changes(None, 1),
            lambda: store.purge(None, 0),
            lambda: store.expire_tombstones(timedelta(0)),
            store.flush,
            store.stats,
            store.footprint,
        ):
            with pytest.raises(StoreUnavailable, match="closed"):
                call()

    def test_a_long_history(self, store: VectorStore) -> None:
        """Far more removed than live, so that whatever a store puts off has to happen."""
        random = np.random.default_rng(11)
        vectors = random.standard_normal((40, DIMENSION)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        for revision in range(1, 60):
            store.replace(
                [embedded(f"d{i:02}", revision, vectors=[vectors[i]] * (1 + revision % 3)) for i in range(40)]
            )
            if revision % 7 == 0:
                hits = store.search(vectors[3], 200)
                assert len(hits) == 40 * (1 + revision % 3)
                assert {hit.revision for hit in hits} == {revision}
                assert all(first.score >= second.score for first, second in pairwise(hits))

    def test_flushing_loses_and_changes_nothing(self, store: VectorStore) -> None:
        store.flush()
        store.replace([embedded("a", 1), embedded("b", 1)])
        store.delete("b", version(2))
        before = store.changes(None, 9)
        store.flush()
        store.flush()
        assert store.changes(None, 9) == before
        assert found(store) == ["a#0"]

    def test_a_big_batch(self, store: VectorStore) -> None:
        first = [embedded(f"d{i}", 1, vectors=[axis(0), axis(1), axis(2)]) for i in range(600)]
        second = [embedded(f"d{i}", 2, vectors=[axis(0)]) for i in range(0, 600, 2)]
        assert store.replace([*first, *second, *first[:10]]) == ([APPLIED] * 900 + [STALE, DUPLICATE] * 5)
        stats = store.stats()
        assert (stats.documents, stats.chunks) == (600, 300 + 3 * 300)
        assert len(store.content_hashes([f"d{i}" for i in range(601)])) == 600
        assert len(store.search(axis(0), 5_000)) == 1_200

    def test_threads_share_a_store(self, store: VectorStore) -> None:
        """Each writes documents of its own and one of all; what a thread wrote, it finds."""
        revisions, writers = 8, 4

        def write(number: int) -> None:
            for revision in range(1, revisions + 1):
                own = embedded(f"own{number}", revision, vectors=[axis(0)] * (1 + revision % 3))
                common = embedded("common", revision * writers + number, vectors=[axis(1)] * 2)
                assert store.replace([own, common])[0] is APPLIED
                hits = [hit for hit in store.search(axis(0), 100) if hit.document_id == f"own{number}"]
                assert [hit.revision for hit in hits] == [revision] * (1 + revision % 3)
                store.flush()
                store.stats()

        def look() -> None:
            seen = 0
            while seen < revisions * writers + writers - 1:
                pair = [hit.revision for hit in store.search(axis(1), 2) if hit.document_id == "common"]
                assert len(set(pair)) <= 1
                newest = store.get_many(["common"])
                seen = newest["common"].document.revision if newest else 0

        with ThreadPoolExecutor(writers + 1) as threads:
            for future in [threads.submit(look), *(threads.submit(write, i) for i in range(writers))]:
                future.result()
        assert store.stats().documents == writers + 1
