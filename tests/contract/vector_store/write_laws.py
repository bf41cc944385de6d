"""What a versioned write does, and what it may reuse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.domain import WriteOutcome
from shared.ports import EmbeddedDocument, VectorStore
from tests.contract.vector_store.builders import (
    DIMENSION,
    at,
    axis,
    embedded,
    version,
)
from tests.contract.vector_store.checks import (
    APPLIED,
    DUPLICATE,
    STALE,
    UNRESOLVED,
    found,
    texts,
)


class WriteLaws:
    def test_an_unchanged_text_written_by_a_newer_revision_has_the_newer_trace(
        self, store: VectorStore
    ) -> None:
        store.replace([embedded("a", 1, hashes=["same"])])
        store.replace([embedded("a", 3, hashes=["same"], vectors=[None])])
        assert store.get_many(["a"])["a"].document.ingest_trace_id == f"{3:032x}"
        assert store.search(axis(0), 1)[0].ingest_trace_id == f"{3:032x}"
        again = embedded("a", 3, hashes=["same"])
        other = replace(again, document=replace(again.document, ingest_trace_id="f" * 32))
        assert store.replace([other]) == [DUPLICATE]
        assert store.get_many(["a"])["a"].document.ingest_trace_id == f"{3:032x}"

    def test_a_revision_without_a_trace_does_not_keep_the_one_before(self, store: VectorStore) -> None:
        store.replace([embedded("a", 1)])
        store.replace([embedded("a", 2)])
        assert store.get_many(["a"])["a"].document.ingest_trace_id is None
        assert store.search(axis(0), 1)[0].ingest_trace_id is None

    def test_a_new_document_is_found(self, store: VectorStore) -> None:
        item = embedded("a", vectors=[axis(0), axis(1)], wiki="enwiki", namespace=0, bot=False)
        assert store.replace([item]) == [APPLIED]
        hit = store.search(axis(1), 1)[0]
        assert (hit.chunk_id, hit.document_id, hit.text) == ("a#1", "a", "a r1 c1")
        assert (hit.source, hit.title, hit.url) == ("wikimedia", "Title of a", "https://example.org/a")
        assert (hit.revision, hit.updated_at) == (1, at(0))
        assert hit.attributes == {"wiki": "enwiki", "namespace": 0, "bot": False}

    def test_a_newer_revision_replaces(self, store: VectorStore) -> None:
        store.replace([embedded("a", 1)])
        assert store.replace([embedded("a", 2)]) == [APPLIED]
        assert texts(store) == {"a r2 c0"}

    def test_a_shorter_revision_leaves_no_orphan(self, store: VectorStore) -> None:
        store.replace([embedded("a", 1, vectors=[axis(0), axis(1), axis(2)])])
        store.replace([embedded("a", 2, vectors=[axis(3)])])
        assert found(store) == ["a#0"]
        assert store.stats().chunks == 1

    def test_equal_version_is_a_duplicate(self, store: VectorStore) -> None:
        store.replace([embedded("a", 1)])
        before = store.changes(None, 10)
        assert store.replace([embedded("a", 1, vectors=[axis(5), axis(6)])]) == [DUPLICATE]
        assert store.changes(None, 10) == before
        assert found(store) == ["a#0"]

    def test_lower_version_is_stale(self, store: VectorStore) -> None:
        store.replace([embedded("a", 2)])
        assert store.replace([embedded("a", 1, seconds=99)]) == [STALE]
        assert texts(store) == {"a r2 c0"}

    @pytest.mark.parametrize(("seconds", "outcome"), [(4, STALE), (5, DUPLICATE), (5.001, APPLIED)])
    def test_time_breaks_the_tie_of_equal_revisions(
        self, store: VectorStore, seconds: float, outcome: WriteOutcome
    ) -> None:
        store.replace([embedded("a", 7, seconds=5)])
        assert store.replace([embedded("a", 7, seconds=seconds)]) == [outcome]

    def test_time_below_a_millisecond_does_not_count(self, store: VectorStore) -> None:
        store.replace([embedded("a", 7, seconds=0.0011)])
        assert store.replace([embedded("a", 7, seconds=0.0019)]) == [DUPLICATE]

    def test_one_call_applies_in_order(self, store: VectorStore) -> None:
        batch = [embedded("a", 1), embedded("b", 5), embedded("a", 3), embedded("a", 2), embedded("b", 5)]
        assert store.replace(batch) == [APPLIED, APPLIED, APPLIED, STALE, DUPLICATE]
        assert texts(store) == {"a r3 c0", "b r5 c0"}

    def test_nothing_to_replace(self, store: VectorStore) -> None:
        assert store.replace([]) == []

    def test_a_document_without_chunks_is_live(self, store: VectorStore) -> None:
        item = embedded("a")
        store.replace([EmbeddedDocument(item.document, (), ())])
        stored = store.get_many(["a"])["a"]
        assert stored.chunks == ()
        assert store.content_hashes(["a"]) == {"a": frozenset()}
        assert found(store) == []

    @pytest.mark.parametrize(
        "document_id",
        ["wiki:0:A/B #2 (ö)", "#", "a#1", "日本語 版", "emoji 🌍/#", " ", "'; DROP TABLE --", "\x00"],
    )
    def test_any_id(self, store: VectorStore, document_id: str) -> None:
        store.replace([embedded(document_id, 1), embedded("other", 1, vectors=[axis(1)])])
        assert store.search(axis(0), 1)[0].chunk_id == f"{document_id}#0"
        assert document_id in store.get_many([document_id])
        assert document_id in store.content_hashes([document_id])
        assert store.delete(document_id, version(2)) is APPLIED
        assert document_id not in store.get_many([document_id])
        assert found(store) == ["other#0"]

    @pytest.mark.parametrize(
        "embedding",
        [np.zeros(DIMENSION, np.float32), np.full(DIMENSION, np.nan, np.float32), axis(0) * 2, axis(0)[:-1]],
        ids=["zero", "nan", "not unit", "short"],
    )
    def test_what_is_no_unit_embedding_is_refused(self, store: VectorStore, embedding: np.ndarray) -> None:
        with pytest.raises(ValueError, match="embedding of"):
            store.replace([embedded("a", vectors=[embedding])])
        with pytest.raises(ValueError, match="embedding of"):
            store.search(embedding, 1)


class DeleteLaws:
    def test_a_deleted_document_is_gone(self, store: VectorStore) -> None:
        store.replace([embedded("a", 1, vectors=[axis(0), axis(1)]), embedded("b", 1)])
        assert store.delete("a", version(2)) is APPLIED
        assert found(store) == ["b#0"]
        assert "a" not in store.get_many(["a"])
        assert store.content_hashes(["a"]) == {}

    def test_a_tombstone_blocks_late_edits(self, store: VectorStore) -> None:
        store.replace([embedded("a", 1)])
        store.delete("a", version(3))
        assert store.replace([embedded("a", 2, seconds=9)]) == [STALE]
        assert store.replace([embedded("a", 3)]) == [DUPLICATE]
        assert found(store) == []

    def test_a_newer_undelete_passes(self, store: VectorStore) -> None:
        store.replace([embedded("a", 1)])
        store.delete("a", version(1, seconds=1))
        assert store.replace([embedded("a", 1, seconds=2)]) == [APPLIED]
        assert found(store) == ["a#0"]
        assert store.stats().tombstones == 0

    def test_deleting_an_unknown_document_keeps_a_tombstone(self, store: VectorStore) -> None:
        assert store.delete("a", version(2)) is APPLIED
        assert store.stats().tombstones == 1
        assert store.replace([embedded("a", 1)]) == [STALE]

    def test_versions_of_deletes(self, store: VectorStore) -> None:
        store.replace([embedded("a", 2)])
        assert store.delete("a", version(1)) is STALE
        assert store.delete("a", version(2)) is DUPLICATE
        assert found(store) == ["a#0"]
        assert store.delete("a", version(3)) is APPLIED
        assert store.delete("a", version(3)) is DUPLICATE
        assert store.delete("a", version(2)) is STALE
        assert store.delete("a", version(4)) is APPLIED
        assert store.stats().tombstones == 1


class ReuseLaws:
    def test_an_embedding_is_reused_by_its_content_hash(self, store: VectorStore) -> None:
        store.replace([embedded("a", 1, vectors=[axis(0), axis(1), axis(2)], hashes=["x", "y", "z"])])
        assert store.content_hashes(["a", "unknown"]) == {"a": frozenset({"x", "y", "z"})}
        store.replace([embedded("a", 2, vectors=[None, axis(4), None], hashes=["z", "new", "x"])])
        assert [hit.chunk_id for hit in store.search(axis(2), 1)] == ["a#0"]
        assert [hit.chunk_id for hit in store.search(axis(4), 1)] == ["a#1"]
        assert [hit.chunk_id for hit in store.search(axis(0), 1)] == ["a#2"]

    def test_an_unknown_hash_writes_nothing_of_its_document(self, store: VectorStore) -> None:
        store.replace([embedded("a", 1, hashes=["x"])])
        batch = [
            embedded("a", 2, vectors=[axis(1), None], hashes=["y", "gone"]),
            embedded("b", 1),
            embedded("a", 3, vectors=[None], hashes=["x"]),
        ]
        assert store.replace(batch) == [UNRESOLVED, APPLIED, APPLIED]
        assert texts(store) == {"a r3 c0", "b r1 c0"}
        assert store.stats().chunks == 2

    def test_another_documents_hash_is_not_reused(self, store: VectorStore) -> None:
        store.replace([embedded("a", 1, hashes=["x"])])
        assert store.replace([embedded("b", 1, vectors=[None], hashes=["x"])]) == [UNRESOLVED]
        assert "b" not in store.get_many(["b"])

    def test_a_deleted_documents_hash_is_not_reused(self, store: VectorStore) -> None:
        store.replace([embedded("a", 1, hashes=["x"])])
        store.delete("a", version(2))
        assert store.replace([embedded("a", 3, vectors=[None], hashes=["x"])]) == [UNRESOLVED]
        assert store.replace([embedded("a", 3)]) == [APPLIED]

    def test_a_stale_write_need_not_resolve(self, store: VectorStore) -> None:
        store.replace([embedded("a", 2, hashes=["x"])])
        assert store.replace([embedded("a", 1, vectors=[None], hashes=["gone"])]) == [STALE]

    def test_reuse_within_one_call(self, store: VectorStore) -> None:
        first = embedded("a", 1, vectors=[axis(3)], hashes=["x"])
        second = embedded("a", 2, vectors=[None], hashes=["x"])
        assert store.replace([first, second]) == [APPLIED, APPLIED]
        assert store.search(axis(3), 1)[0].score == pytest.approx(1)
