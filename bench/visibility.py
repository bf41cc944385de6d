"""``python -m bench.visibility``: how soon does a search in another process find a committed write?

Three processes open one store. A writer replaces a marker document at a steady rate and notes when
``replace`` returned. A reader, this process, searches for it without a break and notes when a search
returned the new revision. A third makes load: it writes other documents and searches, in threads. All read
the same monotonic clock. A time is 0 where the search that found the revision returned before ``replace``
did; else it holds the rest of the search that came too early, and the whole of the one that found it.

The figures go to DATA_DIR/bench/visibility.json, from where ``python -m bench.charts`` takes them.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bench.embeddings import Corpus, load_corpus
from bench.results import Results, latencies, visibility_table
from bench.stores import (
    NEWEST,
    StorePlace,
    documents_of,
    embedded_document,
    fill,
    paced,
    revised,
    store_place,
    wait_for,
)
from shared.embedder.factory import build_embedder
from shared.ports import EmbeddedDocument, VectorStore
from shared.settings import EmbedderSettings, VectorStoreSettings

MARKER = "bench:marker"
_GIVE_UP = 30.0


def marker(dimension: int, revision: int) -> EmbeddedDocument:
    """Farther from any text than texts are from each other, and always at the same place."""
    embedding = np.random.default_rng(1).standard_normal((1, dimension)).astype(np.float32)
    embedding /= np.linalg.norm(embedding)
    return embedded_document(
        MARKER, [f"marker {revision}"], embedding, updated_at=NEWEST, wiki="enwiki", revision=revision
    )


def measure(
    place: StorePlace, corpus: Corpus, *, markers: int, rate: float, writes: float, searches: float
) -> list[float]:
    """Seconds from the return of each marker's write to its being found; ``rate`` markers, ``writes`` of
    other documents and ``searches`` each second."""
    documents = documents_of(corpus)
    context = multiprocessing.get_context("spawn")
    stop, go = context.Event(), context.Event()
    receiving, sending = context.Pipe(duplex=False)
    with contextlib.closing(place.open()) as store, contextlib.ExitStack() as children:
        fill(store, documents, f"filling {place.settings.vector_store}")
        for target, arguments in (
            (_make_load, (place, documents[: len(documents) // 2], corpus.queries, writes, searches)),
            (_write_markers, (place, markers, rate, sending, go)),
        ):
            started = context.Event()
            child = context.Process(target=target, args=(*arguments, started, stop), name=target.__name__)
            child.start()
            children.callback(child.join)
            children.callback(stop.set)
            wait_for(started, child)
        children.callback(go.set)  # nobody may wait for it should something fail here
        sending.close()
        store.search(corpus.queries[0], 1)
        go.set()
        found = _found_at(store, marker(place.dimension, 1), markers)
        committed: list[float] = receiving.recv()
    return [max(0.0, seen - written) for seen, written in zip(found, committed, strict=True)]


def _found_at(store: VectorStore, item: EmbeddedDocument, markers: int) -> list[float]:
    """When each revision, or a newer one, was first returned."""
    query = item.embeddings[0]
    assert query is not None
    found: list[float] = []
    newest_at = time.monotonic()
    with tqdm(total=markers, desc="markers found", unit="marker") as progress:
        while len(found) < markers:
            hits = [hit for hit in store.search(query, 1) if hit.document_id == MARKER]
            now = time.monotonic()
            new = hits[0].revision - len(found) if hits else 0
            found += [now] * new
            progress.update(new)
            if new:
                newest_at = now
            elif now - newest_at > _GIVE_UP:
                raise SystemExit(f"marker {len(found) + 1} was not found in {_GIVE_UP:g} s")
    return found


def _write_markers(
    place: StorePlace, markers: int, rate: float, sending: Connection, go: Event, started: Event, stop: Event
) -> None:
    """Sends when each of the revisions 1, 2, 3 … was committed."""
    committed = []
    with contextlib.closing(place.open()) as store:
        started.set()
        go.wait()
        for number in paced(rate, stop):
            store.replace([marker(place.dimension, number + 1)])
            committed.append(time.monotonic())
            if len(committed) == markers:
                break
    sending.send(committed)


def _make_load(
    place: StorePlace,
    documents: list[EmbeddedDocument],
    queries: np.ndarray,
    writes: float,
    searches: float,
    started: Event,
    stop: Event,
) -> None:
    """One thread writes, two search."""
    with contextlib.closing(place.open()) as store:

        def write(number: int) -> None:
            store.replace([revised(documents[number % len(documents)], 2 + number)])

        def search(number: int) -> None:
            store.search(queries[number % len(queries)], 10)

        def repeat(call: Callable[[int], None], rate: float) -> None:
            for number in paced(rate, stop):
                call(number)

        search(0)
        loads = ((write, writes), (search, searches / 2), (search, searches / 2))
        threads = [threading.Thread(target=repeat, args=load) for load in loads]
        for thread in threads:
            thread.start()
        started.set()
        for thread in threads:
            thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--stores", default="faiss,redis", help="which, one after the other")
    parser.add_argument("--chunks", type=int, default=100_000, help="in the store (default 100000)")
    parser.add_argument("--markers", type=int, default=1_000, help="writes that are timed (default 1000)")
    parser.add_argument("--rate", type=float, default=10, help="of them each second (default 10)")
    parser.add_argument("--writes", type=float, default=50, help="other writes each second (default 50)")
    parser.add_argument("--searches", type=float, default=40, help="other searches each second (default 40)")
    arguments = parser.parse_args()
    folder = VectorStoreSettings().data_dir / "bench"
    results = Results(folder / "visibility.json")
    corpus = load_corpus(arguments.chunks, build_embedder(EmbedderSettings()), folder)
    for kind in arguments.stores.split(","):
        with (
            tempfile.TemporaryDirectory(dir=folder) as scratch,
            store_place(kind, corpus.dimension, Path(scratch)) as place,
        ):
            times = measure(
                place,
                corpus,
                markers=arguments.markers,
                rate=arguments.rate,
                writes=arguments.writes,
                searches=arguments.searches,
            )
        results.put(kind, arguments.chunks, latencies(times))
    print(visibility_table(results))


if __name__ == "__main__":
    main()
