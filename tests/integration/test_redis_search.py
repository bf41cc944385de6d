"""Each way of searching a shard of a real size, against exact search."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from shared.domain import SearchFilter
from shared.ports import EmbeddedDocument
from shared.vector_store import laws
from shared.vector_store.redis_store import plan
from shared.vector_store.redis_store.store import RedisStore, open_redis_store
from tests.contract.vector_store.builders import at, embedded, version
from tests.support.redis_server import WITHOUT_DISK, redis_server
from tests.support.stores import redis_settings

DOCUMENTS, DIMENSION = 6_500, 16
_random = np.random.default_rng(20261123)
_vectors = _random.standard_normal((DOCUMENTS, DIMENSION)).astype(np.float32)
_vectors /= np.linalg.norm(_vectors, axis=1, keepdims=True)


def item(number: int, revision: int = 1) -> EmbeddedDocument:
    wiki = "rare" if number % 100 == 0 else "common"
    return embedded(
        f"d{number}",
        revision,
        number,
        vectors=[_vectors[number]],
        wiki=wiki,
        namespace=number % 10,
        bot=number % 2 == 0,
    )


_documents = [item(number).document for number in range(DOCUMENTS)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisStore]:
    with redis_server(tmp_path_factory.mktemp("redis"), *WITHOUT_DISK) as server:
        settings = redis_settings(server.url, redis_shards=1)
        store = open_redis_store(settings, embedder_name="test", dimension=DIMENSION)
        store.replace([item(number) for number in range(DOCUMENTS)])
        yield store
        store.close()


def exact(query: np.ndarray, top_k: int, where: SearchFilter | None) -> dict[str, float]:
    """Chunk id to score, best first."""
    scores = laws.cosine(_vectors, query)
    matching = [
        (-scores[number], f"{document.document_id}#0")
        for number, document in enumerate(_documents)
        if where is None or where.matches(document)
    ]
    return {chunk_id: -negative for negative, chunk_id in sorted(matching)[:top_k]}


WAYS = {
    "unfiltered": (None, plan.Way.GRAPH),
    "half": (SearchFilter(exclude_bots=True), plan.Way.GRAPH),
    "a tenth": (SearchFilter(namespaces=frozenset({3})), plan.Way.GRAPH),
    "a hundredth": (SearchFilter(wikis=frozenset({"rare"})), plan.Way.SCAN),
    "none": (SearchFilter(wikis=frozenset({"absent"})), plan.Way.SCAN),
    "newest": (SearchFilter(since=at(DOCUMENTS - 300)), plan.Way.GATHER),
    "newest of a wiki": (SearchFilter(since=at(DOCUMENTS - 900), wikis=frozenset({"rare"})), plan.Way.GATHER),
    "oldest": (SearchFilter(until=at(50)), plan.Way.GATHER),
    "a third": (SearchFilter(since=at(DOCUMENTS * 0.66)), plan.Way.GRAPH),
}


@pytest.mark.parametrize(("where", "way"), WAYS.values(), ids=WAYS.keys())
def test_recall_scores_and_number_of_hits(
    store: RedisStore, where: SearchFilter | None, way: plan.Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The fewer are scanned for a given effort, the smaller the shard that a walk is chosen for.
    monkeypatch.setattr(plan, "_SCANNED_PER_EFFORT", 5)
    tag = store._shards.tags[0]
    assert plan.choose(where, store._servers.run({tag: plan.count_commands(tag, where)})[tag]).way is way
    recalls = [1.0]
    for query in _vectors[:40]:
        hits, everything = store.search(query, 10, where), exact(query, DOCUMENTS, where)
        best = dict(list(everything.items())[:10])
        assert len(hits) == len(best)
        assert [hit.score for hit in hits] == [everything[hit.chunk_id] for hit in hits]
        if way is not plan.Way.GRAPH:
            assert [hit.chunk_id for hit in hits] == list(best)
        if best:
            recalls.append(len({hit.chunk_id for hit in hits} & best.keys()) / len(best))
    assert np.mean(recalls) >= 0.98


@pytest.mark.parametrize("where", [None, SearchFilter(namespaces=frozenset({3}))], ids=["all", "a tenth"])
def test_many_hits(store: RedisStore, where: SearchFilter | None) -> None:
    for top_k in (200, DOCUMENTS + 1):
        assert len(store.search(_vectors[0], top_k, where)) == len(exact(_vectors[0], top_k, where))


def test_more_chunks_in_a_time_range_than_are_gathered(store: RedisStore) -> None:
    chunks = plan._GATHER_UP_TO + 1
    store.replace([embedded("long", 1, -1_000, vectors=[_vectors[0]] * chunks)])
    hits = store.search(_vectors[0], 10, SearchFilter(until=at(-500)))
    assert [hit.chunk_id for hit in hits] == sorted(f"long#{number}" for number in range(chunks))[:10]
    store.delete("long", version(2))


def test_counts_follow_what_is_written(store: RedisStore) -> None:
    """They decide how a shard is searched; after replacing and removing they must be those of a new store."""
    tag = store._shards.tags[0]

    def counts() -> dict[bytes, int]:
        reply = store._servers.one(tag, ("HGETALL", f"{tag}:counts"))
        return {name: int(count) for name, count in zip(reply[::2], reply[1::2], strict=True) if int(count)}

    before = counts()
    extra = embedded("extra", 1, vectors=[_vectors[0]] * 3, wiki="other", namespace=77, bot=True)
    changed = embedded("extra", 2, vectors=[_vectors[0]], wiki="common", namespace=1)
    store.replace([extra])
    assert counts() != before
    store.replace([changed])
    store.delete("extra", version(3))
    assert counts() == before
