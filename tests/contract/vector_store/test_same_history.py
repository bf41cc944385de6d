"""The same random history, in any store, ends in what the port's laws say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.domain import Hit, SearchFilter, Version
from shared.errors import CursorExpired
from shared.ports import EmbeddedDocument, VectorStore
from tests.contract.vector_store.builders import DIMENSION, ManualClock, at, embedded, version
from tests.contract.vector_store.model import Follower, Model, State
from tests.contract.vector_store.places import FaissPlace, MemoryPlace, Place, RedisPlace

_POINTS = np.random.default_rng(20261122).standard_normal((6, DIMENSION)).astype(np.float32)
_POINTS /= np.linalg.norm(_POINTS, axis=1, keepdims=True)
_IDS = ("a", "b#1", "c/ö", "d", "e{f}", "")
_WIKIS = ("enwiki", "it's")
_STEPS_BETWEEN_LOOKS = 5

_FILTERS = (
    SearchFilter(exclude_bots=True),
    SearchFilter(wikis=frozenset({_WIKIS[1]})),
    SearchFilter(namespaces=frozenset({-1, 0}), sources=frozenset({"api"})),
    SearchFilter(since=at(1), until=at(3)),
)

ids = st.sampled_from(_IDS)
revisions = st.integers(1, 4)
seconds = st.integers(0, 4)
points = st.integers(0, len(_POINTS) - 1)
owners = st.integers(0, 1)
mostly_not = st.sampled_from([False, False, False, True])
choices = st.integers(0, 1_000)
milliseconds_ahead = st.sampled_from([1, 1, 1_000, 0, -1])


@st.composite
def items(draw: st.DrawFn) -> EmbeddedDocument:
    """Hash ``p3`` stands for point 3, so that reuse means the same as embedding again."""
    numbers = draw(st.lists(points, max_size=4))
    reused = draw(
        st.sets(st.integers(0, len(_POINTS) - 1), max_size=2) if draw(mostly_not) else st.just(set())
    )
    item = embedded(
        draw(ids),
        draw(revisions),
        draw(seconds),
        vectors=[None if number in reused else _POINTS[number] for number in numbers],
        hashes=[f"p{number}" for number in numbers] or ["p0"],
        source=draw(st.sampled_from(["wikimedia", "api"])),
        wiki=draw(st.sampled_from(_WIKIS)),
        namespace=draw(st.integers(-1, 1)),
        bot=draw(st.booleans()),
    )
    return item if numbers else EmbeddedDocument(item.document, (), ())


filters = st.none() | st.builds(
    SearchFilter,
    wikis=st.frozensets(st.sampled_from([*_WIKIS, "none"]), max_size=2),
    namespaces=st.frozensets(st.integers(-1, 2), max_size=2),
    sources=st.frozensets(st.sampled_from(["wikimedia", "api"]), max_size=1),
    exclude_bots=st.booleans(),
    since=st.none() | seconds.map(at),
    until=st.none() | seconds.map(at),
)


class SameHistory(RuleBasedStateMachine):
    """Two owners have the store open; any of them may write, read, or close it and open it again."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.clock = ManualClock()
        self.model = Model(self.clock, place.part_of)
        self.stores = [place.open(self.clock) for _ in range(2)]
        self.follower = Follower()
        self.cursor: str | None = None
        self.steps = 0

    def chosen(self, choice: int) -> tuple[str, State]:
        return sorted(self.model.states.items())[choice % len(self.model.states)]

    @initialize(batch=st.lists(items(), min_size=3, max_size=12))
    def begin(self, batch: list[EmbeddedDocument]) -> None:
        self.replace(0, batch)

    @rule(owner=owners, batch=st.lists(items(), min_size=1, max_size=6))
    def replace(self, owner: int, batch: list[EmbeddedDocument]) -> None:
        assert self.stores[owner].replace(batch) == self.model.replace(batch)

    @precondition(lambda self: self.model.states)
    @rule(owner=owners, choice=choices, ahead=milliseconds_ahead, points=st.lists(points, max_size=5))
    def revise(self, owner: int, choice: int, ahead: int, points: list[int]) -> None:
        """Of a known document, with what can be reused: an edit, an undelete, a redelivery, a late one."""
        document_id, state = self.chosen(choice)
        known = {chunk.content_hash for chunk, _ in state.content.chunks} if state.content else set()
        item = embedded(
            document_id,
            state.version.revision,
            (state.version.updated_at - at(0)).total_seconds() + ahead / 1000,
            vectors=[None if f"p{number}" in known else _POINTS[number] for number in points or [0]],
            hashes=[f"p{number}" for number in points or [0]],
        )
        self.replace(owner, [item])

    @precondition(lambda self: self.model.states)
    @rule(owner=owners, choice=choices, ahead=milliseconds_ahead)
    def delete(self, owner: int, choice: int, ahead: int) -> None:
        document_id, state = self.chosen(choice)
        moment = state.version.updated_at + timedelta(milliseconds=ahead)
        self.delete_version(owner, document_id, Version(state.version.revision, moment))

    @rule(owner=owners, document_id=ids, newest=st.builds(version, revisions, seconds))
    def delete_version(self, owner: int, document_id: str, newest: Version) -> None:
        assert self.stores[owner].delete(document_id, newest) is self.model.delete(document_id, newest)

    @rule(owner=owners, max_age=st.none() | st.integers(0, 3), max_chunks=st.none() | st.integers(3, 12))
    def purge(self, owner: int, max_age: int | None, max_chunks: int | None) -> None:
        age = None if max_age is None else self.clock.now() - at(max_age)
        assert self.stores[owner].purge(age, max_chunks) == self.model.purge(age, max_chunks)

    @precondition(lambda self: self.model.states)
    @rule(owner=owners, choice=choices, waited=st.integers(0, 3_000), spared=st.sampled_from([-1, 0, 0, 1]))
    def expire(self, owner: int, choice: int, waited: int, spared: int) -> None:
        """What was removed just before a known document changed, with it or without it."""
        self.clock.advance(milliseconds=waited)
        age = self.clock.now() - self.chosen(choice)[1].at + timedelta(milliseconds=spared)
        assert self.stores[owner].expire_tombstones(age) == self.model.expire(age)

    @rule(milliseconds=st.integers(1, 5_000))
    def wait(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds=milliseconds)

    @rule(owner=owners)
    def flush(self, owner: int) -> None:
        self.stores[owner].flush()

    @rule(owner=owners)
    def reopen(self, owner: int) -> None:
        self.stores[owner].close()
        self.stores[owner] = self.place.open(self.clock)

    @rule(owner=owners, point=points, top_k=st.integers(1, 30), where=filters)
    def search(self, owner: int, point: int, top_k: int, where: SearchFilter | None) -> None:
        self.compare_hits(self.stores[owner], _POINTS[point], top_k, where)

    @rule(owner=owners, limit=st.integers(1, 4))
    def follow(self, owner: int, limit: int) -> None:
        """Either owner goes on from the cursor that the other returned."""
        if self.model.has_missed(self.follower):
            with pytest.raises(CursorExpired):
                self.stores[owner].changes(self.cursor, limit)
            self.start_following_anew()
            return
        page = self.stores[owner].changes(self.cursor, limit)
        self.model.advance(self.follower, page.changes, limit)
        self.cursor = page.cursor

    @rule()
    def start_following_anew(self) -> None:
        self.follower, self.cursor = Follower(), None

    @invariant()
    def same(self) -> None:
        """As seen by both owners, in turn; the dear looks not after each step."""
        self.steps += 1
        store = self.stores[self.steps % 2]
        assert store.stats() == self.model.stats()
        if self.steps % _STEPS_BETWEEN_LOOKS == 0:
            self.compare_documents(store)
            self.compare_feed(store)
            self.compare_hits(store, _POINTS[0], 100, None)
            self.compare_hits(store, _POINTS[1], 100, _FILTERS[self.steps % len(_FILTERS)])

    def compare_documents(self, store: VectorStore) -> None:
        live = {content.document.document_id: content for content in self.model.live()}
        assert store.content_hashes([*_IDS, "unknown"]) == {
            name: {chunk.content_hash for chunk, _ in content.chunks} for name, content in live.items()
        }
        found, embeddings = store.get_many([*_IDS, "unknown"]), store.embeddings([*_IDS, "unknown"])
        assert found.keys() == embeddings.keys() == live.keys()
        for document_id, expected in live.items():
            stored, rows = found[document_id], embeddings[document_id]
            assert stored.document == expected.document
            assert list(stored.chunks) == [chunk for chunk, _ in expected.chunks]
            assert stored.indexed_at == self.model.states[document_id].at
            assert rows.shape == (len(expected.chunks), DIMENSION)
            assert all((row == vector).all() for row, (_, vector) in zip(rows, expected.chunks, strict=True))

    def compare_feed(self, store: VectorStore) -> None:
        follower, cursor, limit = Follower(), None, 2
        while True:
            page = store.changes(cursor, limit)
            self.model.advance(follower, page.changes, limit)
            cursor = page.cursor
            if not page.changes:
                return

    def compare_hits(
        self, store: VectorStore, query: np.ndarray, top_k: int, where: SearchFilter | None
    ) -> None:
        everything = self.model.hits(query, where)
        hits = store.search(query, top_k, where)
        assert len(hits) == min(top_k, len(everything))
        if self.place.exact:
            assert [hit.chunk_id for hit in hits] == [hit.chunk_id for hit in everything[:top_k]]
        for better, worse in pairwise(hits):
            assert (-better.score, better.chunk_id) < (-worse.score, worse.chunk_id)
        expected = {hit.chunk_id: hit for hit in everything}
        for hit in hits:
            assert_same_hit(hit, expected[hit.chunk_id])
        matches = store.nearest(query, top_k, where)
        assert len(matches) == len(hits)
        if self.place.exact:
            assert [match.chunk_id for match in matches] == [hit.chunk_id for hit in hits]
        for match in matches:
            hit = expected[match.chunk_id]
            assert match.document_id == hit.document_id
            assert match.score == pytest.approx(hit.score, abs=2e-6)

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        self.place.clear()


def assert_same_hit(hit: Hit, expected: Hit) -> None:
    assert hit.score == pytest.approx(expected.score, abs=2e-6)
    for name in ("document_id", "source", "title", "url", "text", "revision", "updated_at", "attributes"):
        assert getattr(hit, name) == getattr(expected, name)


def check(make_place: Callable[[], Place], examples: int, steps: int = 25, *, random: bool = False) -> None:
    """Play ``examples`` histories of up to ``steps`` steps, each in a place of its own."""

    def history() -> SameHistory:
        return SameHistory(make_place())

    run_state_machine_as_test(
        history,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=not random,
            print_blob=True,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


LOCAL: dict[str, Callable[[], Place]] = {
    "memory": MemoryPlace,
    "FAISS Flat": lambda: FaissPlace("Flat"),
    "FAISS HNSW16": lambda: FaissPlace("HNSW16"),
    "FAISS auto": lambda: FaissPlace("auto", flat_up_to=6),
}


# A failure takes minutes to be reduced to a short history.
pytestmark = pytest.mark.timeout(1_800)


@pytest.mark.parametrize("name", LOCAL)
def test_a_store_in_this_process(name: str) -> None:
    check(LOCAL[name], examples=30)


@pytest.mark.parametrize("shards", [1, 3])
def test_redis(redis_url: str, shards: int) -> None:
    check(lambda: RedisPlace(redis_url, shards), examples=15)


def test_redis_cluster(redis_cluster_url: str) -> None:
    check(lambda: RedisPlace(redis_cluster_url, shards=4), examples=10)


@pytest.mark.soak
@pytest.mark.parametrize("name", LOCAL)
def test_a_store_in_this_process_for_long(name: str) -> None:
    check(LOCAL[name], examples=300, steps=50, random=True)


@pytest.mark.soak
@pytest.mark.parametrize("shards", [1, 3])
def test_redis_for_long(redis_url: str, shards: int) -> None:
    check(lambda: RedisPlace(redis_url, shards), examples=150, steps=50, random=True)


@pytest.mark.soak
def test_redis_cluster_for_long(redis_cluster_url: str) -> None:
    check(lambda: RedisPlace(redis_cluster_url, shards=4), examples=80, steps=50, random=True)
