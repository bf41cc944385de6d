"""The change feed, and what retention does to it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain import ChangeKind
from shared.errors import CursorExpired
from shared.ports import VectorStore
from tests.contract.vector_store.builders import (
    ManualClock,
    at,
    axis,
    embedded,
    version,
)
from tests.contract.vector_store.checks import (
    APPLIED,
    STALE,
    PartOf,
    found,
    ids_of,
    in_parts,
    whole_feed,
)


class FeedLaws:
    def test_order_and_kinds(self, store: VectorStore, clock: ManualClock, part_of: PartOf) -> None:
        store.replace([embedded("a", 1), embedded("b", 1)])
        clock.advance(seconds=5)
        store.delete("a", version(2))
        store.delete("ghost", version(1))
        changes = whole_feed(store)
        assert in_parts(ids_of(changes), part_of) == in_parts(["b", "a", "ghost"], part_of)
        by_id = {change.document_id: change for change in changes}
        assert {name: (change.kind, change.version) for name, change in by_id.items()} == {
            "b": (ChangeKind.INDEXED, version(1)),
            "a": (ChangeKind.REMOVED, version(2)),
            "ghost": (ChangeKind.REMOVED, version(1)),
        }
        assert by_id["a"].indexed_at - by_id["b"].indexed_at == timedelta(seconds=5)

    def test_a_document_stands_once_at_its_newest_change(self, store: VectorStore, part_of: PartOf) -> None:
        store.replace([embedded("a", 1), embedded("b", 1), embedded("a", 2), embedded("c", 1)])
        store.replace([embedded("b", 2)])
        changes = whole_feed(store)
        assert in_parts(ids_of(changes), part_of) == in_parts(["a", "c", "b"], part_of)
        assert {change.document_id: change.version.revision for change in changes} == {"a": 2, "c": 1, "b": 2}

    def test_resumable(self, store: VectorStore, part_of: PartOf) -> None:
        names = [f"d{number}" for number in range(7)]
        store.replace([embedded(name) for name in names])
        seen: list[str] = []
        cursor = None
        while (page := store.changes(cursor, 3)).changes:
            assert len(page.changes) <= 3
            seen += ids_of(page.changes)
            cursor = page.cursor
        assert in_parts(seen, part_of) == in_parts(names, part_of)
        store.replace([embedded("d2", 2), embedded("new")])
        newer = ids_of(whole_feed(store, page.cursor))
        assert in_parts(newer, part_of) == in_parts(["d2", "new"], part_of)

    def test_page_by_page_nothing_is_left_out(self, store: VectorStore, part_of: PartOf) -> None:
        names = [f"d{number}" for number in range(200)]
        for name in names:
            store.replace([embedded(name), embedded("busy", 1 + int(name[1:]))])
        for limit in (1, 7, 1_000):
            seen = ids_of(whole_feed(store, limit=limit))
            assert in_parts(seen, part_of) == in_parts([*names, "busy"], part_of)

    def test_what_changes_nothing_is_no_change(self, store: VectorStore) -> None:
        store.replace([embedded("a", 3)])
        cursor = store.changes(None, 9).cursor
        store.replace([embedded("a", 3), embedded("a", 2), embedded("b", 1, vectors=[None])])
        store.delete("a", version(3))
        store.delete("a", version(1))
        assert store.changes(cursor, 9).changes == ()

    def test_an_empty_page_has_a_valid_cursor(self, store: VectorStore) -> None:
        cursor = store.changes(None, 5).cursor
        assert store.changes(cursor, 5).changes == ()
        store.replace([embedded("a")])
        assert ids_of(store.changes(cursor, 5).changes) == ["a"]

    def test_a_cursor_of_another_store_is_refused(self, store: VectorStore) -> None:
        store.replace([embedded("a"), embedded("b")])
        with pytest.raises(CursorExpired):
            store.changes("0123456789abcdef0123456789abcdef:1", 5)

    @pytest.mark.parametrize("cursor", ["", ":", "x", "a:b:c", "\x00", "0" * 5_000])
    def test_what_is_no_cursor_is_refused(self, store: VectorStore, cursor: str) -> None:
        """It may come from a client, or from another version of this software."""
        store.replace([embedded("a")])
        with pytest.raises(CursorExpired):
            store.changes(cursor, 5)

    def test_a_move_on_while_reading_skips_nothing(self, store: VectorStore) -> None:
        store.replace([embedded("a"), embedded("b"), embedded("c")])
        first = store.changes(None, 2)
        store.replace([embedded("b", 2)])
        rest = whole_feed(store, first.cursor)
        assert ("b", 2) in [(change.document_id, change.version.revision) for change in rest]
        assert {*ids_of(first.changes), *ids_of(rest)} == {"a", "b", "c"}

    def test_a_limit_below_one_is_refused(self, store: VectorStore) -> None:
        with pytest.raises(ValueError, match="limit=0"):
            store.changes(None, 0)


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
        assert "a" not in store.get_many(["a"])
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
        assert {*ids_of(whole_feed(store))} == {"live", "late"}
        assert store.stats().tombstones == 1
        assert store.replace([embedded("deleted", 1), embedded("late", 1)]) == [APPLIED, STALE]
        assert "live" in store.get_many(["live"])

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

    def test_what_is_forgotten_is_found_no_more(self, store: VectorStore, clock: ManualClock) -> None:
        """Also where nobody has searched since it was removed."""
        store.replace([embedded("a"), embedded("b")])
        assert found(store) == ["a#0", "b#0"]
        store.delete("a", version(2))
        clock.advance(seconds=1)
        assert store.expire_tombstones(timedelta(0)) == 1
        assert found(store) == ["b#0"]
        assert store.replace([embedded("a", 1)]) == [APPLIED]
        assert found(store) == ["a#0", "b#0"]

    def test_who_begins_after_the_forgetting_gets_to_the_end(
        self, store: VectorStore, clock: ManualClock, part_of: PartOf
    ) -> None:
        """Its pages before the forgotten removals have missed nothing; expired, they would be for ever."""
        names = [f"d{number}" for number in range(40)]
        store.replace([embedded(name) for name in names])
        for number in range(20):
            store.delete(f"gone{number}", version(1))
        clock.advance(seconds=1)
        assert store.expire_tombstones(timedelta(0)) == 20
        assert in_parts(ids_of(whole_feed(store, limit=3)), part_of) == in_parts(names, part_of)
        cursor = store.changes(None, 1).cursor
        store.delete("d39", version(2))
        clock.advance(seconds=1)
        store.expire_tombstones(timedelta(0))
        with pytest.raises(CursorExpired):
            store.changes(cursor, 1)

    def test_many(self, store: VectorStore, clock: ManualClock) -> None:
        for number in range(1_100):
            store.delete(f"d{number}", version(1))
        clock.advance(seconds=1)
        assert store.expire_tombstones(timedelta(0)) == 1_100
        assert store.stats().tombstones == 0
