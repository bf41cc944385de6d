"""The stores under test: how the processes reach them, and how they break."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import redis

from shared.embedder.hashing import HashingEmbedder
from shared.ports import VectorStore
from shared.settings import VectorStoreSettings
from shared.vector_store.factory import open_vector_store
from tests.support.oracle import Contents, embedded_texts
from tests.support.redis_server import RedisClusterProcesses, RedisProcess, redis_cluster, redis_server

if TYPE_CHECKING:
    from tests.chaos.faults import Chaos, Steps

FaultOfStore = Callable[["Chaos"], "Steps"]

_LOOKS_FOR_A_WRITE = 1_000
_FAILOVER_SECONDS = (5.0, 9.0)
_LOOKED_UP_AT_ONCE = 500
_SAME_VECTOR = 0.98
"""Cosine; what quantisation changes is far less."""


class StoreUnderTest(Protocol):
    @property
    def environment(self) -> dict[str, str]: ...

    @property
    def faults(self) -> list[FaultOfStore]: ...

    @property
    def exact(self) -> bool:
        """Whether a search misses nothing, so that each of many may be demanded to be right."""

    @property
    def settings(self) -> VectorStoreSettings: ...

    def wait_until_healthy(self) -> None: ...

    def check_inside(self, expected: Contents) -> None:
        """What the port does not show.

        :raises AssertionError: the store's own structures are not sound.
        """


@contextlib.contextmanager
def opened(store: StoreUnderTest) -> Iterator[VectorStore]:
    """A new object, which knows nothing but what the store holds."""
    embedder = HashingEmbedder()
    with contextlib.closing(
        open_vector_store(store.settings, embedder_name=embedder.name, dimension=embedder.dimension)
    ) as port:
        yield port


class FaissUnderTest:
    exact = True

    def __init__(self, folder: Path) -> None:
        self._file = folder / "store" / "documents.sqlite"

    @property
    def environment(self) -> dict[str, str]:
        return {"VECTOR_STORE": "faiss", "FAISS_PATH": str(self._file)}

    @property
    def settings(self) -> VectorStoreSettings:
        return VectorStoreSettings(vector_store="faiss", faiss_path=self._file)

    @property
    def faults(self) -> list[FaultOfStore]:
        return [self._kill_all_writers_in_a_transaction]

    def wait_until_healthy(self) -> None: ...

    def check_inside(self, expected: Contents) -> None:
        with contextlib.closing(sqlite3.connect(self._file)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    def _kill_all_writers_in_a_transaction(self, chaos: Chaos) -> Steps:
        """Records pile up first. The moment at which the write-ahead log grows is one at which a part of a
        transaction is in it."""
        writers = chaos.take_processors(all_of_them=True)
        for writer in writers:
            writer.freeze()
        yield chaos.rng.uniform(1, 3)
        log = self._file.with_name(self._file.name + "-wal")
        before = _state_of(log)
        for writer in writers:
            writer.thaw()
        for _ in range(_LOOKS_FOR_A_WRITE):
            if _state_of(log) != before:
                break
            chaos.breathe(0.001)
        chaos.breathe(chaos.rng.choice((0, 0.05, 0.2)))
        for writer in writers:
            writer.kill()
        chaos.note(f"kill -9 {', '.join(writer.name for writer in writers)} while one of them writes")
        yield chaos.rng.uniform(0.2, 3)
        for writer in writers:
            writer.start()
        chaos.give_back(*writers)


class RedisUnderTest:
    """Appends to its file as shipped (``appendfsync everysec``)."""

    exact = False

    def __init__(self, server: RedisProcess) -> None:
        self._server = server

    @property
    def environment(self) -> dict[str, str]:
        return {"VECTOR_STORE": "redis", "REDIS_URL": self._server.url, "REDIS_SHARDS": "2"}

    @property
    def settings(self) -> VectorStoreSettings:
        return VectorStoreSettings(vector_store="redis", redis_url=self._server.url, redis_shards=2)

    @property
    def faults(self) -> list[FaultOfStore]:
        return [self._kill_the_server]

    def wait_until_healthy(self) -> None: ...

    def check_inside(self, expected: Contents) -> None:
        with self._server.client() as client:
            _check_vector_sets(client, list(client.scan_iter("*:v", count=1_000)), expected)

    def _kill_the_server(self, chaos: Chaos) -> Steps:
        self._server.kill()
        chaos.note("kill -9 redis-server")
        yield chaos.rng.uniform(0.2, 3)
        self._server.start()
        chaos.note("redis-server is back, with its append-only file")


class RedisClusterUnderTest:
    """Writes count once a replica has them too, or a failover could lose what was committed."""

    exact = False

    def __init__(self, cluster: RedisClusterProcesses) -> None:
        self._cluster = cluster
        self._url = cluster.url
        self._is_failing_over = False

    @property
    def environment(self) -> dict[str, str]:
        return {
            "VECTOR_STORE": "redis",
            "REDIS_URL": self._url,
            "REDIS_SHARDS": "6",
            "REDIS_WAIT_REPLICAS": "1",
        }

    @property
    def settings(self) -> VectorStoreSettings:
        return VectorStoreSettings(
            vector_store="redis", redis_url=self._cluster.url, redis_shards=6, redis_wait_replicas=1
        )

    @property
    def faults(self) -> list[FaultOfStore]:
        return [self._fail_a_primary_over]

    def wait_until_healthy(self) -> None:
        self._cluster.wait_until_healthy()

    def check_inside(self, expected: Contents) -> None:
        with self._cluster.client() as client:
            keys = client.scan_iter("*:v", count=1_000, target_nodes=redis.RedisCluster.PRIMARIES)
            _check_vector_sets(client, list(keys), expected)

    def _fail_a_primary_over(self, chaos: Chaos) -> Steps:
        if self._is_failing_over:  # a second one could take the last copy of a shard with it
            return
        self._is_failing_over = True
        node = self._cluster.kill_primary(f"any{chaos.rng.randrange(1000)}")
        chaos.note(f"kill -9 the primary on port {node.port}")
        yield chaos.rng.uniform(*_FAILOVER_SECONDS)
        node.start()
        chaos.note(f"the old primary on port {node.port} comes back")
        yield 2.0
        self._cluster.wait_until_healthy()
        self._is_failing_over = False


@contextlib.contextmanager
def store_under_test(kind: str, folder: Path) -> Iterator[StoreUnderTest]:
    if kind == "faiss":
        yield FaissUnderTest(folder)
    elif kind == "redis":
        with redis_server(folder / "redis") as server:
            yield RedisUnderTest(server)
    else:
        with redis_cluster(folder / "redis") as cluster:
            yield RedisClusterUnderTest(cluster)


def _check_vector_sets(
    client: redis.Redis | redis.RedisCluster, keys: list[bytes], expected: Contents
) -> None:
    """Each element is the embedding of its chunk's text. A search hides a wrong one, as it ranks by the
    stored embeddings; but it looks in the wrong place."""
    chunks = embedded_texts(expected)
    ids = list(chunks)
    embeddings = HashingEmbedder().embed(list(chunks.values()))
    wrong, found = [], 0
    for key in keys:
        for start in range(0, len(ids), _LOOKED_UP_AT_ONCE):
            some = ids[start : start + _LOOKED_UP_AT_ONCE]
            pipeline = client.pipeline(transaction=False)
            for chunk_id in some:
                pipeline.execute_command("VEMB", key, chunk_id)
            for place, element in enumerate(pipeline.execute(), start):
                if element is not None:
                    found += 1
                    vector = np.array([float(value) for value in element])
                    if vector @ embeddings[place] < _SAME_VECTOR * np.linalg.norm(vector):
                        wrong.append(ids[place])
    assert found == len(ids), f"{found} elements of {len(ids)} chunks"
    assert not wrong, f"{len(wrong)} of {found} elements have another text's vector, such as {wrong[:5]}"


def _state_of(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns
