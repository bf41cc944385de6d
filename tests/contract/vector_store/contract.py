"""The laws of the ``VectorStore`` port. Each adapter's test class inherits them and gives a store."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from shared.domain import ChangeKind, SearchFilter, WriteOutcome
from shared.errors import CursorExpired, StoreUnavailable
from shared.ports import EmbeddedDocument, VectorStore
from tests.contract.vector_store.builders import (
    DIMENSION,
    ManualClock,
    at,
    axis,
    embedded,
    near_axis_0,
    version,
)

APPLIED, DUPLICATE, STALE = WriteOutcome.APPLIED, WriteOutcome.DUPLICATE, WriteOutcome.STALE
UNRESOLVED = WriteOutcome.UNRESOLVED


def found(store: VectorStore, top_k: int = 100, where: SearchFilter | None = None) -> list[str]:
    return [hit.chunk_id for hit in store.search(axis(0), top_k, where)]


def texts(store: VectorStore) -> set[str]:
    return {hit.text for hit in store.search(axis(0), 100)}


class WriteLaws:
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
        stored = store.get("a")
        assert stored is not None
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
        assert store.get(document_id) is not None
        assert document_id in store.content_hashes([document_id])
        assert store.delete(document_id, version(2)) is APPLIED
        assert store.get(document_id) is None
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
        assert store.get("a") is None
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
        assert store.get("b") is None

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


class SearchLaws:
    def test_an_empty_store_finds_nothing(self, store: VectorStore) -> None:
        assert store.search(axis(0), 5) == []
        assert store.search(axis(0), 5, SearchFilter(wikis=frozenset({"enwiki"}))) == []

    def test_best_first_with_cosine_scores(self, store: VectorStore) -> None:
        cosines = [0.3, -0.8, 0.95, 0.0, 0.6, 1.0, -1.0]
        store.replace([embedded(f"d{i}", vectors=[near_axis_0(cosine)]) for i, cosine in enumerate(cosines)])
        hits = store.search(axis(0), 100)
        assert [hit.score for hit in hits] == pytest.approx(sorted(cosines, reverse=True), abs=1e-6)
        assert [hit.chunk_id for hit in hits] == [f"d{i}#0" for i in (5, 2, 4, 0, 3, 1, 6)]
        assert store.search(axis(0), 3) == hits[:3]

    def test_ties_are_ordered_by_chunk_id_also_where_top_k_cuts(self, store: VectorStore) -> None:
        random = np.random.default_rng(5)
        twin = random.standard_normal(DIMENSION).astype(np.float32)
        twin /= np.linalg.norm(twin)
        names = [f"d{number:03}" for number in random.permutation(150)]
        store.replace([embedded(name, vectors=[twin] * 2) for name in names])
        expected = [f"{name}#{ordinal}" for name in sorted(names) for ordinal in (0, 1)]
        for top_k in (1, 7, 100, 300):
            assert [hit.chunk_id for hit in store.search(axis(0), top_k)] == expected[:top_k]

    def test_a_better_hit_beats_a_tie(self, store: VectorStore) -> None:
        store.replace([embedded(f"d{i:03}", vectors=[near_axis_0(0.5)]) for i in range(50)])
        store.replace([embedded("z", vectors=[near_axis_0(0.500_1)])])
        assert found(store, 3) == ["z#0", "d000#0", "d001#0"]

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            (SearchFilter(), "abcdef"),
            (SearchFilter(wikis=frozenset({"enwiki"})), "abc"),
            (SearchFilter(wikis=frozenset({"enwiki", "dewiki"})), "abcd"),
            (SearchFilter(wikis=frozenset({"nowiki"})), ""),
            (SearchFilter(namespaces=frozenset({0})), "ad"),
            (SearchFilter(namespaces=frozenset({0, 4})), "abd"),
            (SearchFilter(sources=frozenset({"api"})), "ef"),
            (SearchFilter(exclude_bots=True), "abdef"),
            (SearchFilter(since=at(3)), "def"),
            (SearchFilter(since=at(3.0004)), "ef"),
            (SearchFilter(until=at(2)), "abc"),
            (SearchFilter(until=at(1.9999)), "ab"),
            (SearchFilter(since=at(1), until=at(3)), "bcd"),
            (SearchFilter(wikis=frozenset({"enwiki"}), exclude_bots=True, since=at(1)), "b"),
            (SearchFilter(sources=frozenset({"api"}), wikis=frozenset({"enwiki"})), ""),
            (SearchFilter(sources=frozenset({"api", "wikimedia"}), namespaces=frozenset({4})), "b"),
        ],
        ids=str,
    )
    def test_filters(self, store: VectorStore, where: SearchFilter, expected: str) -> None:
        store.replace(
            [
                embedded("a", seconds=0, wiki="enwiki", namespace=0, bot=False),
                embedded("b", seconds=1, wiki="enwiki", namespace=4),
                embedded("c", seconds=2, wiki="enwiki", namespace=1, bot=True),
                embedded("d", seconds=3, wiki="dewiki", namespace=0, bot=False),
                embedded("e", seconds=4, source="api"),
                embedded("f", seconds=5, source="api", namespace="0", bot="yes"),
            ]
        )
        assert found(store, 100, where) == [f"{name}#0" for name in expected]

    def test_a_filter_does_not_eat_hits(self, store: VectorStore) -> None:
        """The few that match are the least similar of many."""
        random = np.random.default_rng(3)
        close = [embedded(f"close{i}", vectors=[near_axis_0(random.uniform(0.9, 1))]) for i in range(300)]
        far = [embedded(f"far{i}", vectors=[near_axis_0(-i / 10)], wiki="rare") for i in range(5)]
        store.replace(close + far)
        where = SearchFilter(wikis=frozenset({"rare"}))
        assert found(store, 3, where) == ["far0#0", "far1#0", "far2#0"]
        assert len(found(store, 50, where)) == 5

    def test_a_filter_sees_the_newest_attributes(self, store: VectorStore) -> None:
        store.replace([embedded("a", 1, wiki="enwiki"), embedded("b", 1, wiki="enwiki")])
        assert found(store, 9, SearchFilter(wikis=frozenset({"dewiki"}))) == []
        store.replace([embedded("a", 2, wiki="dewiki")])
        assert found(store, 9, SearchFilter(wikis=frozenset({"dewiki"}))) == ["a#0"]
        assert found(store, 9, SearchFilter(wikis=frozenset({"enwiki"}))) == ["b#0"]

    def test_top_k_below_one_is_refused(self, store: VectorStore) -> None:
        with pytest.raises(ValueError, match="top_k=0"):
            store.search(axis(0), 0)


class FeedLaws:
    def test_order_and_kinds(self, store: VectorStore, clock: ManualClock) -> None:
        store.replace([embedded("a", 1), embedded("b", 1)])
        clock.advance(seconds=5)
        store.delete("a", version(2))
        store.delete("ghost", version(1))
        changes = store.changes(None, 10).changes
        assert [(change.document_id, change.kind, change.version.revision) for change in changes] == [
            ("b", ChangeKind.INDEXED, 1),
            ("a", ChangeKind.REMOVED, 2),
            ("ghost", ChangeKind.REMOVED, 1),
        ]
        assert changes[1].indexed_at - changes[0].indexed_at == timedelta(seconds=5)

    def test_a_document_stands_once_at_its_newest_change(self, store: VectorStore) -> None:
        store.replace([embedded("a", 1), embedded("b", 1), embedded("a", 2), embedded("c", 1)])
        store.replace([embedded("b", 2)])
        changes = store.changes(None, 10).changes
        assert [(change.document_id, change.version.revision) for change in changes] == [
            ("a", 2),
            ("c", 1),
            ("b", 2),
        ]

    def test_resumable(self, store: VectorStore) -> None:
        store.replace([embedded(f"d{number}") for number in range(7)])
        seen: list[str] = []
        cursor = None
        while (page := store.changes(cursor, 3)).changes:
            assert len(page.changes) <= 3
            seen += [change.document_id for change in page.changes]
            cursor = page.cursor
        assert seen == [f"d{number}" for number in range(7)]
        store.replace([embedded("d2", 2), embedded("new")])
        assert [change.document_id for change in store.changes(page.cursor, 9).changes] == ["d2", "new"]

    def test_an_empty_page_has_a_valid_cursor(self, store: VectorStore) -> None:
        cursor = store.changes(None, 5).cursor
        assert store.changes(cursor, 5).changes == ()
        store.replace([embedded("a")])
        assert [change.document_id for change in store.changes(cursor, 5).changes] == ["a"]

    def test_a_cursor_of_another_store_is_refused(self, store: VectorStore) -> None:
        store.replace([embedded("a"), embedded("b")])
        with pytest.raises(CursorExpired):
            store.changes("0123456789abcdef0123456789abcdef:1", 5)

    def test_a_move_on_while_reading_skips_nothing(self, store: VectorStore) -> None:
        store.replace([embedded("a"), embedded("b"), embedded("c")])
        first = store.changes(None, 2)
        store.replace([embedded("b", 2)])
        rest = store.changes(first.cursor, 9).changes
        assert [change.document_id for change in rest] == ["c", "b"]


class InspectionLaws:
    def test_get(self, store: VectorStore, clock: ManualClock) -> None:
        item = embedded("a", 4, 2, vectors=[axis(0), axis(1)], wiki="enwiki", namespace=0, minor=True)
        store.replace([item])
        stored = store.get("a")
        assert stored is not None
        assert (stored.document, stored.chunks) == (item.document, item.chunks)
        assert stored.indexed_at == clock.now()
        assert store.get("b") is None

    def test_chunks_come_in_order_of_their_ordinals(self, store: VectorStore) -> None:
        item = embedded("a", vectors=[axis(0), axis(1), axis(2)])
        store.replace([EmbeddedDocument(item.document, item.chunks[::-1], item.embeddings[::-1])])
        stored = store.get("a")
        assert stored is not None
        assert stored.chunks == item.chunks
        assert store.search(axis(2), 1)[0].chunk_id == "a#2"

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


class PurgeLaws:
    def test_nothing_to_purge(self, store: VectorStore) -> None:
        store.replace([embedded("a")])
        assert store.purge(None, None) == 0
        assert store.purge(timedelta(days=1), 10) == 0
        assert found(store) == ["a#0"]

    def test_by_age(self, store: VectorStore, clock: ManualClock) -> None:
        store.replace([embedded(f"d{number}", seconds=number) for number in range(5)])
        assert store.purge(clock.now() - at(2), None) == 2
        assert found(store) == ["d2#0", "d3#0", "d4#0"]

    def test_by_count_oldest_first(self, store: VectorStore) -> None:
        ages = {"a": 30, "b": 10, "c": 20, "d": 40}
        store.replace([embedded(name, 1, age, vectors=[axis(0)] * 2) for name, age in ages.items()])
        assert store.purge(None, 5) == 2
        assert {hit.document_id for hit in store.search(axis(0), 9)} == {"a", "d"}
        assert store.purge(None, 0) == 2
        assert found(store) == []

    def test_many(self, store: VectorStore) -> None:
        store.replace([embedded(f"d{number:04}", seconds=number) for number in range(1_200)])
        assert store.purge(None, 3) == 1_197
        assert found(store) == ["d1197#0", "d1198#0", "d1199#0"]
        assert store.stats().chunks == 3

    def test_they_appear_as_purged(self, store: VectorStore) -> None:
        store.replace([embedded("a", 3), embedded("b", 1, 5)])
        cursor = store.changes(None, 9).cursor
        store.purge(None, 1)
        changes = store.changes(cursor, 9).changes
        assert [(change.document_id, change.kind, change.version) for change in changes] == [
            ("a", ChangeKind.PURGED, version(3))
        ]

    @pytest.mark.parametrize("revision", [3, 2])
    def test_they_may_come_back(self, store: VectorStore, revision: int) -> None:
        store.replace([embedded("a", 3)])
        store.purge(None, 0)
        assert store.get("a") is None
        assert store.stats().tombstones == 0
        assert store.replace([embedded("a", revision)]) == [APPLIED]
        assert found(store) == ["a#0"]

    def test_tombstones_stay(self, store: VectorStore) -> None:
        store.delete("a", version(5))
        store.purge(timedelta(0), 0)
        assert store.replace([embedded("a", 4)]) == [STALE]

    def test_a_purged_document_can_be_deleted(self, store: VectorStore) -> None:
        store.replace([embedded("a", 3)])
        store.purge(None, 0)
        assert store.delete("a", version(3)) is APPLIED
        assert store.stats().tombstones == 1


class ExpiryLaws:
    def test_only_what_was_removed_long_ago_is_forgotten(
        self, store: VectorStore, clock: ManualClock
    ) -> None:
        store.replace([embedded("live"), embedded("purged", 2, -5)])
        store.delete("deleted", version(2))
        store.purge(None, 1)
        clock.advance(seconds=10)
        store.delete("late", version(2))
        assert store.expire_tombstones(timedelta(seconds=10)) == 0
        assert store.expire_tombstones(timedelta(seconds=9)) == 2
        assert [change.document_id for change in store.changes(None, 9).changes] == ["live", "late"]
        assert store.stats().tombstones == 1
        assert store.replace([embedded("deleted", 1), embedded("late", 1)]) == [APPLIED, STALE]
        assert store.get("live") is not None

    def test_a_cursor_that_would_miss_a_forgotten_removal_expires(
        self, store: VectorStore, clock: ManualClock
    ) -> None:
        store.replace([embedded("a", 1)])
        before = store.changes(None, 9).cursor
        store.delete("a", version(2))
        after = store.changes(before, 9).cursor
        clock.advance(seconds=1)
        store.expire_tombstones(timedelta(0))
        with pytest.raises(CursorExpired):
            store.changes(before, 9)
        assert store.changes(after, 9).changes == ()
        assert store.changes(None, 9).changes == ()

    def test_many(self, store: VectorStore, clock: ManualClock) -> None:
        for number in range(1_100):
            store.delete(f"d{number}", version(1))
        clock.advance(seconds=1)
        assert store.expire_tombstones(timedelta(0)) == 1_100
        assert store.stats().tombstones == 0


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
            lambda: store.get("a"),
            store.stats,
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


class VectorStoreContract(
    WriteLaws,
    DeleteLaws,
    ReuseLaws,
    SearchLaws,
    FeedLaws,
    InspectionLaws,
    PurgeLaws,
    ExpiryLaws,
    LifeLaws,
):
    """Override ``store``; it must be empty, of ``DIMENSION`` and on ``clock``."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()
