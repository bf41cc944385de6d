"""``nearest`` is ``search`` without the content."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from shared.domain import SearchFilter
from shared.ports import VectorStore
from tests.contract.vector_store.builders import DIMENSION, at, axis, embedded, near_axis_0

_WIKIS = ("enwiki", "dewiki", "frwiki")
_SEED = 41


class NearestLaws:
    def test_nearest_is_search_without_the_content(self, store: VectorStore) -> None:
        random = np.random.default_rng(_SEED)
        rows = random.standard_normal((120, DIMENSION)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        store.replace(
            [
                embedded(
                    f"d#{number}",
                    seconds=float(random.integers(0, 20)),
                    vectors=list(rows[random.integers(0, len(rows), random.integers(1, 5))]),  # some tie
                    source=str(random.choice(["wikimedia", "api"])),
                    wiki=str(random.choice(_WIKIS)),
                    namespace=int(random.integers(0, 3)),
                    bot=bool(random.integers(0, 2)),
                )
                for number in range(80)
            ]
        )
        for attempt in range(40):
            where, top_k, query = _filter(random), int(random.integers(1, 60)), rows[attempt]
            hits = [(hit.document_id, hit.chunk_id, hit.score) for hit in store.search(query, top_k, where)]
            matches = [
                (match.document_id, match.chunk_id, match.score)
                for match in store.nearest(query, top_k, where)
            ]
            assert matches == hits, (_SEED, attempt, where, top_k)

    def test_filters_of_nearest_are_exact_beyond_doubles(self, store: VectorStore) -> None:
        store.replace([embedded("a", namespace=2**53), embedded("b", namespace=2**53 + 1)])
        where = SearchFilter(namespaces=frozenset({2**53 + 1}))
        assert [match.document_id for match in store.nearest(axis(0), 5, where)] == ["b"]

    def test_nearest_of_an_empty_store(self, store: VectorStore) -> None:
        assert store.nearest(axis(0), 5) == []
        assert store.nearest(axis(0), 5, SearchFilter(wikis=frozenset({"enwiki"}))) == []

    def test_nearest_refuses_top_k_below_one(self, store: VectorStore) -> None:
        with pytest.raises(ValueError, match="top_k=0"):
            store.nearest(axis(0), 0)

    def test_nearest_never_mixes_two_revisions(self, store: VectorStore) -> None:
        """Revision n of each document has n chunks, all of one score, while others write revision n + 1."""
        documents, revisions = 6, 12
        scores = [round(1 - revision / 20, 2) for revision in range(revisions + 1)]

        def write(revision: int) -> None:
            vectors = [near_axis_0(scores[revision])] * revision
            for number in range(documents):
                store.replace([embedded(f"d{number}", revision, vectors=vectors)])

        write(1)
        with ThreadPoolExecutor(1) as threads:
            writing = threads.submit(lambda: [write(revision) for revision in range(2, revisions + 1)])
            while True:
                finished = writing.done()
                found: dict[str, list[float]] = {}
                for match in store.nearest(axis(0), 1_000):
                    found.setdefault(match.document_id, []).append(round(match.score, 2))
                assert len(found) == documents
                for of_document in found.values():
                    assert of_document == [scores[len(of_document)]] * len(of_document)
                if finished:
                    break
            writing.result()
        assert {len(of_document) for of_document in found.values()} == {revisions}


def _filter(random: np.random.Generator) -> SearchFilter | None:
    if not random.integers(0, 5):
        return None
    since = float(random.integers(0, 15))
    return SearchFilter(
        wikis=frozenset(random.choice(_WIKIS, random.integers(0, 3)).tolist()),
        namespaces=frozenset(random.integers(0, 3, random.integers(0, 3)).tolist()),
        sources=frozenset(["api"][: random.integers(0, 2)]),
        exclude_bots=bool(random.integers(0, 2)),
        since=at(since) if random.integers(0, 2) else None,
        until=at(since + 8) if random.integers(0, 2) else None,
    )
