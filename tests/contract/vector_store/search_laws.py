"""Which hits, in which order, with which scores."""

from __future__ import annotations

import numpy as np
import pytest

from shared.domain import SearchFilter
from shared.ports import VectorStore
from tests.contract.vector_store.builders import (
    DIMENSION,
    at,
    axis,
    embedded,
    near_axis_0,
)
from tests.contract.vector_store.checks import (
    found,
)


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
        ids=lambda value: value if isinstance(value, str) else None,  # a set has no order
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

    def test_top_k_may_exceed_what_is_there(self, store: VectorStore) -> None:
        store.replace([embedded("a", vectors=[axis(0), axis(1)]), embedded("b", wiki="enwiki")])
        assert len(store.search(axis(0), 1_000_000)) == 3
        assert found(store, 1_000_000, SearchFilter(wikis=frozenset({"enwiki"}))) == ["b#0"]

    def test_ordinals_are_ordered_as_text(self, store: VectorStore) -> None:
        store.replace([embedded("a", vectors=[axis(0)] * 12)])
        assert found(store, 4) == ["a#0", "a#1", "a#10", "a#11"]

    def test_a_reused_embedding_is_the_same_embedding(self, store: VectorStore) -> None:
        """However often it is carried over: no rounding adds up."""
        random = np.random.default_rng(23)
        vectors = random.standard_normal((2, DIMENSION)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        store.replace([embedded("a", 1, vectors=[vectors[0]], hashes=["x"])])
        score = store.search(vectors[1], 1)[0].score
        assert score == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-6)
        for revision in range(2, 12):
            store.replace([embedded("a", revision, vectors=[None], hashes=["x"])])
            assert store.search(vectors[1], 1)[0].score == score

    @pytest.mark.parametrize("changed", [-1.0, 1.0])
    def test_the_callers_array_is_its_own(self, store: VectorStore, changed: float) -> None:
        mine = axis(0)
        store.replace([embedded("a", vectors=[mine])])
        mine[:] = changed
        assert store.search(axis(0), 1)[0].score == 1
