"""Reading documents and their embeddings by their ids."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from shared.ports import EmbeddedDocument, VectorStore
from tests.contract.vector_store.builders import DIMENSION, ManualClock, axis, embedded, version
from tests.contract.vector_store.checks import APPLIED

LookUp = Callable[[VectorStore, Sequence[str]], dict[str, object]]

_LOOK_UPS: dict[str, LookUp] = {
    "get_many": lambda store, ids: {**store.get_many(ids)},
    "embeddings": lambda store, ids: {**store.embeddings(ids)},
}

_WRITES = 60
_WRITTEN_TOGETHER = 30


def unit_rows(count: int, seed: int) -> list[np.ndarray]:
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return list(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def a_revision(document_id: str, revision: int) -> EmbeddedDocument:
    """Of as many chunks, on the axis, that follow from the revision."""
    return embedded(document_id, revision, vectors=[axis(revision % DIMENSION)] * (1 + revision % DIMENSION))


class LookUpLaws:
    def test_get_many(self, store: VectorStore, clock: ManualClock) -> None:
        a = embedded("a", 4, 2, vectors=[axis(0), axis(1)], wiki="enwiki", namespace=0, minor=True)
        b = embedded("b")
        store.replace([a])
        clock.advance(seconds=1)
        store.replace([b])
        found = store.get_many(["a", "b"])
        assert found.keys() == {"a", "b"}
        assert (found["a"].document, found["a"].chunks) == (a.document, a.chunks)
        assert (found["b"].document, found["b"].chunks) == (b.document, b.chunks)
        assert (clock.now() - found["a"].indexed_at).total_seconds() == 1
        assert found["b"].indexed_at == clock.now()

    def test_chunks_come_in_order_of_their_ordinals(self, store: VectorStore) -> None:
        """Also where the order of the ordinals as text is another."""
        item = embedded("a", vectors=unit_rows(12, 3))
        store.replace([EmbeddedDocument(item.document, item.chunks[::-1], item.embeddings[::-1])])
        assert store.get_many(["a"])["a"].chunks == item.chunks
        assert np.array_equal(store.embeddings(["a"])["a"], np.stack(unit_rows(12, 3)))
        assert store.search(unit_rows(12, 3)[2], 1)[0].chunk_id == "a#2"

    @pytest.mark.parametrize("look_up", _LOOK_UPS.values(), ids=_LOOK_UPS)
    def test_only_what_is_live_is_found(self, store: VectorStore, look_up: LookUp) -> None:
        store.replace([embedded(name, seconds=number) for number, name in enumerate(["purged", "a", "gone"])])
        store.delete("gone", version(2))
        store.purge(None, 1)
        assert look_up(store, ["gone", "a", "purged", "unknown", "a", "#", ""]).keys() == {"a"}
        assert look_up(store, ["gone", "unknown"]) == {}
        assert look_up(store, []) == {}
        store.replace([embedded("gone", 3)])
        assert look_up(store, ("gone",)).keys() == {"gone"}

    @pytest.mark.parametrize("look_up", _LOOK_UPS.values(), ids=_LOOK_UPS)
    def test_the_same_id_many_times(self, store: VectorStore, look_up: LookUp) -> None:
        store.replace([embedded("a", vectors=[axis(0), axis(1)]), embedded("b")])
        found = look_up(store, ["a", "b"] * 1_200)
        assert found.keys() == {"a", "b"}
        assert len(store.get_many(["a", "b"] * 1_200)["a"].chunks) == 2
        assert len(store.embeddings(["a", "b"] * 1_200)["a"]) == 2

    def test_many_ids(self, store: VectorStore) -> None:
        rows = unit_rows(2_000, 7)
        items = [embedded(f"d{number}", vectors=[row]) for number, row in enumerate(rows)]
        assert store.replace(items) == [APPLIED] * 2_000
        ids = [f"d{number}" for number in range(3_000)]
        found, embeddings = store.get_many(ids), store.embeddings(ids)
        assert found.keys() == embeddings.keys() == set(ids[:2_000])
        for item, row in zip(items, rows, strict=True):
            document_id = item.document.document_id
            assert (found[document_id].document, found[document_id].chunks) == (item.document, item.chunks)
            assert np.array_equal(embeddings[document_id], row[np.newaxis])

    def test_row_i_is_the_embedding_of_chunk_i(self, store: VectorStore) -> None:
        store.replace([embedded(name, vectors=unit_rows(15, seed)) for seed, name in enumerate("abc")])
        for document_id, rows in store.embeddings(["c", "a", "b"]).items():
            assert (rows.dtype, rows.shape) == (np.float32, (15, DIMENSION))
            assert np.abs(np.linalg.norm(rows, axis=1) - 1).max() < 1e-6
            chunks = store.get_many([document_id])[document_id].chunks
            for row, chunk in zip(rows, chunks, strict=True):
                hit = store.search(row, 1)[0]
                assert (hit.chunk_id, hit.text) == (chunk.chunk_id, chunk.text)
                assert hit.score == pytest.approx(1, abs=1e-6)

    def test_a_reused_embedding_has_its_new_place(self, store: VectorStore) -> None:
        store.replace([embedded("a", 1, vectors=[axis(0), axis(1), axis(2)], hashes=["x", "y", "z"])])
        store.replace([embedded("a", 2, vectors=[None, axis(4), None], hashes=["z", "new", "x"])])
        assert np.array_equal(store.embeddings(["a"])["a"], np.stack([axis(2), axis(4), axis(0)]))

    def test_a_document_without_chunks_has_no_rows(self, store: VectorStore) -> None:
        item = embedded("a")
        store.replace([EmbeddedDocument(item.document, (), ()), embedded("b")])
        assert store.get_many(["a", "b"])["a"].chunks == ()
        rows = store.embeddings(["a", "b"])["a"]
        assert (rows.dtype, rows.shape) == (np.float32, (0, DIMENSION))

    def test_nothing_is_a_mix_of_two_versions(self, store: VectorStore) -> None:
        """While all of the documents are replaced again and again, shorter and longer."""
        ids = [f"d{number}" for number in range(_WRITTEN_TOGETHER)]
        written = threading.Event()
        store.replace([a_revision(name, 1) for name in ids])

        def write() -> None:
            try:
                for revision in range(2, _WRITES):
                    store.replace([a_revision(name, revision) for name in ids])
            finally:
                written.set()

        def read() -> None:
            newest = dict.fromkeys(ids, 0)
            while not written.is_set():
                documents, embeddings = store.get_many(ids), store.embeddings(ids)
                assert documents.keys() == embeddings.keys() == newest.keys()
                for document_id, stored in documents.items():
                    revision = stored.document.revision
                    assert revision >= newest[document_id]
                    newest[document_id] = revision
                    assert stored.chunks == a_revision(document_id, revision).chunks
                for rows in embeddings.values():
                    assert np.array_equal(rows, np.stack([axis(len(rows) - 1)] * len(rows)))

        with ThreadPoolExecutor(2) as threads:
            for future in [threads.submit(read), threads.submit(write)]:
                future.result()
