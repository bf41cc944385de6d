"""The search benchmarks, small: they run, and what they say can be believed."""

from __future__ import annotations

import contextlib
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from bench import charts, search, visibility
from bench.baselines import bare_search
from bench.embeddings import QUERIES, Corpus, cached_embeddings, edit_texts, file_name
from bench.results import Results, search_tables
from bench.search import TOP_K
from bench.stores import CASES, StorePlace, documents_of, fill, store_place
from shared.embedder.hashing import HashingEmbedder


def a_corpus(count: int, dimension: int = 384) -> Corpus:
    """Around a few hundred topics, as texts are."""
    random = np.random.default_rng(13)
    topics = random.standard_normal((300, dimension))
    rows = topics[random.integers(0, 300, count + 50)] + 0.8 * random.standard_normal((count + 50, dimension))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return Corpus([f"Page {number}\nedit" for number in range(count)], rows[50:], rows[:50])


@pytest.mark.parametrize("kind", ["faiss", "redis"])
def test_search(kind: str, tmp_path: Path) -> None:
    with store_place(kind, 384, tmp_path) as place:
        figures = search.measure(place, a_corpus(300), rounds=2, queries=5)
    assert figures["chunks"] == 300
    assert (figures["redis_megabytes"] is None) == (kind == "faiss")
    assert {case: row["recall"] for case, row in figures["cases"].items()} == dict.fromkeys(CASES, 1.0)
    for row in (*figures["cases"].values(), figures["4 threads"], figures["20 writes/s"]):
        assert 0 < row["p50"] <= row["p95"] <= row["p99"] <= row["max"]
        assert row["n"] == 10
    results = Results(tmp_path / "search.json")
    results.put(kind, 300, figures)
    again = Results(tmp_path / "search.json")
    assert again.has(kind, 300)
    assert not again.has(kind, 301)
    assert f"| {kind} | 300 | 1% filter |" in search_tables(again)
    ElementTree.fromstring(charts.drawing(again))


@pytest.mark.parametrize("kind", ["faiss", "redis"])
def test_visibility(kind: str, tmp_path: Path) -> None:
    with store_place(kind, 384, tmp_path) as place:
        times = visibility.measure(place, a_corpus(200), markers=20, rate=20, writes=20, searches=20)
    assert len(times) == 20
    assert 0 <= min(times) <= max(times) < 10


def test_a_server_that_is_named_is_used(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    with store_place("redis", 8, tmp_path) as first, store_place("redis", 8, tmp_path) as second:
        assert first.settings.redis_url == second.settings.redis_url == redis_url
        assert first.settings.redis_prefix != second.settings.redis_prefix
    assert not list(tmp_path.iterdir())


def test_embeddings_are_made_once_and_gone_on_with(tmp_path: Path) -> None:
    embedder = HashingEmbedder()
    texts = [f"text {number}" for number in range(3_000)]
    file = tmp_path / "cache" / f"{file_name(embedder)}.f32"
    first = cached_embeddings(texts[:1_500], embedder, file)
    with file.open("ab") as stream:
        stream.write(b"half a row")
    whole = cached_embeddings(texts, embedder, file)
    assert np.array_equal(whole[:1_500], first)
    assert np.array_equal(whole, embedder.embed(texts))
    untouched = file.stat().st_mtime_ns
    assert np.array_equal(cached_embeddings(texts[:10], embedder, file), first[:10])
    assert file.stat().st_mtime_ns == untouched


@pytest.mark.usefixtures("shared_data")
def test_texts_are_always_the_same_and_never_twice() -> None:
    texts = edit_texts(45_000)
    assert len(set(texts)) == 45_000
    assert edit_texts(QUERIES) == texts[:QUERIES]


def ratio_to_bare(place: StorePlace, corpus: Corpus) -> float:
    """Of the medians' medians, in turn, so that a busy machine slows both."""
    with contextlib.closing(place.open()) as store:
        fill(store, documents_of(corpus), "filling")
        with bare_search(place, corpus, TOP_K) as bare:
            store.search(corpus.queries[0], TOP_K)
            ratios = [
                search.timed(lambda wanted: store.search(wanted, TOP_K), query) / search.timed(bare, query)
                for _ in range(2)
                for query in corpus.queries
            ]
    return median(ratios)


def test_faiss_is_not_buried_under_the_store(tmp_path: Path) -> None:
    """A guard against losing an order of magnitude, not a measurement."""
    with store_place("faiss", 384, tmp_path) as place:
        assert ratio_to_bare(place, a_corpus(20_000)) < 10


def test_redis_is_not_buried_under_the_store(tmp_path: Path) -> None:
    with store_place("redis", 384, tmp_path) as place:
        assert ratio_to_bare(place, a_corpus(5_200)) < 25
