"""``python -m bench.search --store faiss|redis``: what a search costs, and what it finds.

Fills a store with real texts' embeddings, and searches it through ``VectorStore.search``: with and without
filters, from one thread and from four, and while another process writes. Each query goes to the bare engine
as well (the faiss index, or ``VSIM``, without the store around it), right after the store: the ratio is what
counts, for absolute times drift on shared machines. Recall is against all scores.

Results are kept for each store and size, in DATA_DIR/bench/search.json; what is there is not measured
again without ``--again``. ``python -m bench.charts`` draws them.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from tqdm import tqdm

from bench.baselines import bare_search
from bench.embeddings import Corpus, load_corpus
from bench.results import Results, case_row, latencies, search_tables
from bench.stores import CASES, StorePlace, documents_of, fill, resident_megabytes, steady_writer, store_place
from shared.domain import SearchFilter
from shared.embedder.factory import build_embedder
from shared.ports import EmbeddedDocument, VectorStore
from shared.settings import EmbedderSettings, VectorStoreSettings

TOP_K = 10
THREADS = 4
WRITES_PER_SECOND = 20.0
_NOISE = 2e-6  # scores are rounded to six digits


class Truth:
    """From all chunks' scores: what a search should have found. Everything is computed in advance, so that
    nothing but searches runs while searches are timed."""

    def __init__(self, corpus: Corpus, documents: list[EmbeddedDocument]) -> None:
        owners = [item.document for item in documents for _ in item.chunks]
        self._worst: dict[str, np.ndarray] = {}
        self._wanted: dict[str, int] = {}
        for case, where in CASES.items():
            mask = np.array([where is None or where.matches(owner) for owner in owners])
            self._wanted[case] = wanted = min(TOP_K, int(mask.sum()))
            matching = corpus.embeddings if where is None else corpus.embeddings[mask]
            self._worst[case] = np.array([_best(matching @ query, wanted) for query in corpus.queries])

    def share_found(self, case: str, query: int, scores: list[float]) -> float:
        """Recall: how many of the best ``TOP_K`` the hits with these scores are, or tie with."""
        wanted = self._wanted[case]
        if not wanted:
            return 1.0
        worst = float(self._worst[case][query])
        return sum(score >= worst - _NOISE for score in scores[:wanted]) / wanted


def _best(scores: np.ndarray, number: int) -> float:
    """The ``number``-th best."""
    return float(np.partition(scores, len(scores) - number)[len(scores) - number]) if number else 0.0


def measure(place: StorePlace, corpus: Corpus, *, rounds: int, queries: int) -> dict[str, Any]:
    """All figures of one store and size, as JSON; times in milliseconds unless named otherwise."""
    documents = documents_of(corpus)
    with contextlib.closing(place.open()) as store:
        seconds = fill(store, documents, f"filling {place.settings.vector_store}")
        startup, resident = in_new_process(_start, place, corpus.queries[0])
        store.search(corpus.queries[0], TOP_K)
        figures: dict[str, Any] = {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "documents": len(documents),
            "chunks": store.stats().chunks,
            "build_seconds": round(seconds, 2),
            "documents_per_second": round(len(documents) / seconds, 1),
            "startup_seconds": round(startup, 3),
            "reader_megabytes": round(resident, 1),
            "redis_megabytes": place.redis_megabytes(),
            "cases": _measure_cases(place, store, corpus, documents, rounds, queries),
            f"{THREADS} threads": _measure_threads(store, corpus, rounds * queries),
        }
        with steady_writer(place, documents, WRITES_PER_SECOND):
            figures[f"{WRITES_PER_SECOND:g} writes/s"] = _measure_calls(store, corpus, rounds * queries)
    return figures


def in_new_process(call: Callable[..., Any], *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        return processes.submit(call, *arguments).result()


def _start(place: StorePlace, query: np.ndarray) -> tuple[float, float]:
    """Seconds to open the store and to have the first answer; resident memory afterwards."""
    begun = time.perf_counter()
    with contextlib.closing(place.open()) as store:
        store.search(query, TOP_K)
        return time.perf_counter() - begun, resident_megabytes()


def _measure_cases(
    place: StorePlace,
    store: VectorStore,
    corpus: Corpus,
    documents: list[EmbeddedDocument],
    rounds: int,
    queries: int,
) -> dict[str, dict[str, float]]:
    truth = Truth(corpus, documents)
    mine: dict[str, list[float]] = {case: [] for case in CASES}
    recalls: dict[str, list[float]] = {case: [] for case in CASES}
    theirs: list[float] = []
    ratios: list[float] = []
    with bare_search(place, corpus, TOP_K) as bare:
        for number in tqdm(range(rounds), desc="rounds", unit="round"):
            for query in range(number * queries, (number + 1) * queries):
                query %= len(corpus.queries)
                embedding = corpus.queries[query]
                for case, where in CASES.items():
                    seconds, scores = _timed_search(store, embedding, where)
                    mine[case].append(seconds)
                    recalls[case].append(truth.share_found(case, query, scores))
                theirs.append(timed(bare, embedding))
            ratios.append(sum(mine["all"][-queries:]) / sum(theirs[-queries:]))
    rows = {case: case_row(mine[case], recalls[case]) for case in CASES}
    rows["all"]["bare_p50"] = latencies(theirs)["p50"]
    rows["all"]["bare_p95"] = latencies(theirs)["p95"]
    rows["all"]["ratio_to_bare"] = round(median(ratios), 2)
    return rows


def _timed_search(
    store: VectorStore, query: np.ndarray, where: SearchFilter | None
) -> tuple[float, list[float]]:
    begun = time.perf_counter()
    hits = store.search(query, TOP_K, where)
    return time.perf_counter() - begun, [hit.score for hit in hits]


def timed(call: Callable[[np.ndarray], object], query: np.ndarray) -> float:
    begun = time.perf_counter()
    call(query)
    return time.perf_counter() - begun


def _measure_calls(store: VectorStore, corpus: Corpus, count: int) -> dict[str, float]:
    queries = [corpus.queries[number % len(corpus.queries)] for number in range(count)]
    return latencies([timed(lambda query: store.search(query, TOP_K), query) for query in queries])


def _measure_threads(store: VectorStore, corpus: Corpus, count: int) -> dict[str, float]:
    """``count`` searches altogether."""
    queries = [corpus.queries[number % len(corpus.queries)] for number in range(count)]
    begun = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as threads:
        times = list(
            threads.map(lambda query: timed(lambda wanted: store.search(wanted, TOP_K), query), queries)
        )
    return {"per_second": round(count / (time.perf_counter() - begun), 1), **latencies(times)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--store", choices=["faiss", "redis"], required=True)
    parser.add_argument("--sizes", default="10000,30000,100000,300000", help="numbers of chunks")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queries", type=int, default=100, help="in each round, for each case (default 100)")
    parser.add_argument("--again", action="store_true", help="measure what has been measured before, too")
    arguments = parser.parse_args()
    folder = VectorStoreSettings().data_dir / "bench"
    results = Results(folder / "search.json")
    sizes = [int(size) for size in arguments.sizes.split(",")]
    todo = [size for size in sizes if arguments.again or not results.has(arguments.store, size)]
    if todo:
        corpus = load_corpus(max(todo), build_embedder(EmbedderSettings()), folder)
    for size in todo:
        with (
            tempfile.TemporaryDirectory(dir=folder) as scratch,
            store_place(arguments.store, corpus.dimension, Path(scratch)) as place,
        ):
            results.put(
                arguments.store,
                size,
                measure(place, corpus.first(size), rounds=arguments.rounds, queries=arguments.queries),
            )
    print(search_tables(results))


if __name__ == "__main__":
    main()
