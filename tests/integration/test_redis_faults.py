"""What servers do to a Redis store: they die, fill up, forget, and refuse."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from shared.domain import WriteOutcome
from shared.errors import ConfigurationError, StoreDamaged, StoreMismatch, StoreUnavailable, WritesLost
from shared.ports import EmbeddedDocument, VectorStore
from shared.vector_store.memory_store import MemoryStore
from shared.vector_store.redis_store.store import open_redis_store
from tests.contract.vector_store.builders import DIMENSION, at, axis, embedded, version
from tests.contract.vector_store.checks import found
from tests.support.redis_server import (
    WITHOUT_DISK,
    RedisClusterProcesses,
    RedisProcess,
    redis_cluster,
    redis_server,
)
from tests.support.redis_writer import open_store, settings_for

APPLIED = WriteOutcome.APPLIED


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    with redis_server(tmp_path / "redis") as server:
        yield server


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisClusterProcesses]:
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def assert_one_clear_line(error: BaseException, *words: str) -> None:
    assert "\n" not in str(error)
    for word in words:
        assert word in str(error)


class Upstream:
    """Writes a random history as the processor does: batch by batch, and all since the last flush again
    after a loss."""

    def __init__(self, seed: int, store: VectorStore, prefix: str = "d") -> None:
        self._random = random.Random(seed)
        self._store = store
        self._prefix = prefix
        self._unflushed: list[list[EmbeddedDocument]] = []
        self.oracle = MemoryStore(DIMENSION)
        self.losses = 0
        self.waits = 0

    def write(self, batches: int) -> None:
        for _ in range(batches):
            batch = [
                embedded(
                    f"{self._prefix}{self._random.randrange(30)}",
                    self._random.randrange(1_000),
                    vectors=[
                        axis(self._random.randrange(DIMENSION)) for _ in range(self._random.randint(1, 3))
                    ],
                )
                for _ in range(5)
            ]
            self.oracle.replace(batch)
            self._unflushed.append(batch)
            self._patiently(lambda batch=batch: self._store.replace(batch))

    def flush(self) -> None:
        while True:
            try:
                self._patiently(self._store.flush)
            except WritesLost:
                self.losses += 1
                for batch in self._unflushed:
                    self._patiently(lambda batch=batch: self._store.replace(batch))
            else:
                self._unflushed.clear()
                return

    def _patiently(self, call: object) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                call()  # type: ignore[operator]
            except StoreUnavailable:
                self.waits += 1
                assert time.monotonic() < deadline
            else:
                return

    def assert_equal(self, reader: VectorStore) -> None:
        ids = [f"{self._prefix}{number}" for number in range(30)]
        for document_id in ids:
            expected, actual = self.oracle.get(document_id), reader.get(document_id)
            assert (expected is None) == (actual is None), document_id
            if expected and actual:
                assert (actual.document, actual.chunks) == (expected.document, expected.chunks)
        top = [(hit.chunk_id, hit.score) for hit in self.oracle.search(axis(0), 1_000)]
        mine = [hit for hit in reader.search(axis(0), 1_000) if hit.document_id in ids]
        assert [(hit.chunk_id, hit.score) for hit in mine] == top


def test_a_killed_server_that_comes_back_has_all_or_says_what_it_lost(server: RedisProcess) -> None:
    seed = 7
    with contextlib.closing(open_store(server.url)) as store:
        upstream = Upstream(seed, store)
        for _ in range(3):
            killer = threading.Timer(0.2, server.restart)
            killer.start()
            while killer.is_alive():
                upstream.write(1)
            upstream.write(5)
            upstream.flush()
            upstream.assert_equal(store)
        assert upstream.waits == 0, "the store itself waits for the server"


def test_a_changed_chunk_keeps_its_new_vector_over_a_restart(server: RedisProcess) -> None:
    """Exact scores would hide a vector of the text before; recall would not."""
    with contextlib.closing(open_store(server.url)) as store:
        store.replace([embedded("a", 1, vectors=[axis(0)])])
        store.replace([embedded("a", 2, vectors=[axis(1)])])
        store.flush()
        server.restart()
        key = f"{store._shards.tag_of('a')}:v"
        with server.client() as client:
            vector = client.execute_command("VEMB", key, "a#0")
    assert [float(number) for number in vector] == pytest.approx(axis(1).tolist(), abs=0.02)


def test_a_primary_that_fails_over_in_mid_write(cluster: RedisClusterProcesses) -> None:
    with contextlib.closing(open_store(cluster.url, redis_wait_replicas=1, redis_prefix="failover")) as store:
        upstream = Upstream(11, store)
        upstream.write(5)
        tag = store._shards.tags[0]
        killed: list[RedisProcess] = []
        killer = threading.Timer(0.3, lambda: killed.append(cluster.kill_primary(tag)))
        killer.start()
        deadline = time.monotonic() + 60
        while killer.is_alive() and time.monotonic() < deadline:
            upstream.write(5)
        upstream.write(30)
        killed[0].start()
        cluster.wait_until_healthy()
        upstream.flush()
        assert cluster.primary_of(tag) is not killed[0]
        assert upstream.waits == 0, "the store itself waits for the failover"
        upstream.assert_equal(store)
        with contextlib.closing(open_store(cluster.url, redis_prefix="failover")) as other:
            upstream.assert_equal(other)


def test_writes_that_a_failover_lost_are_noticed(cluster: RedisClusterProcesses) -> None:
    """The replica stands still while its primary acknowledges writes, and is promoted without them."""
    with contextlib.closing(open_store(cluster.url, redis_prefix="lost", redis_shards=1)) as store:
        upstream = Upstream(13, store)
        upstream.write(10)
        upstream.flush()
        tag = store._shards.tags[0]
        with cluster.client() as client:
            replica_port = client.nodes_manager.slots_cache[client.keyslot(tag)][1].port
        replica = next(node for node in cluster.nodes if node.port == replica_port)
        replica.pause()
        with cluster.primary_of(tag).client() as client:
            client.client_kill_filter(_type="replica")  # what is written from here on never arrives there
        upstream.write(20)
        dead = cluster.kill_primary(tag)
        replica.resume()
        upstream.write(20)
        upstream.flush()
        assert upstream.losses == 1
        upstream.assert_equal(store)
        dead.start()
        cluster.wait_until_healthy()
        upstream.assert_equal(store)


def test_a_replica_that_does_not_confirm_is_waited_for(tmp_path: Path) -> None:
    with (
        redis_server(tmp_path, *WITHOUT_DISK) as server,
        contextlib.closing(open_store(server.url, redis_wait_replicas=1, redis_timeout_seconds=3.0)) as store,
    ):
        store.replace([embedded("a")])
        with pytest.raises(StoreUnavailable) as caught:
            store.flush()
        assert_one_clear_line(caught.value, "REDIS_WAIT_REPLICAS=1", "0 replicas")


def test_a_flush_is_on_disk(server: RedisProcess) -> None:
    with contextlib.closing(open_store(server.url)) as store:
        store.replace([embedded(f"d{number}") for number in range(20)])
        store.flush()
        server.restart()
        assert len(found(store)) == 20
        store.flush()


def test_a_server_that_stands_still_is_waited_for_and_then_unavailable(server: RedisProcess) -> None:
    with (
        contextlib.closing(open_store(server.url, redis_timeout_seconds=0.5)) as impatient,
        contextlib.closing(open_store(server.url, redis_timeout_seconds=30.0)) as patient,
    ):
        impatient.replace([embedded("a")])
        server.pause()
        try:
            with pytest.raises(StoreUnavailable) as caught:
                impatient.search(axis(0), 1)
            assert_one_clear_line(caught.value, "REDIS_URL", "REDIS_TIMEOUT_SECONDS=0.5")
            threading.Timer(0.3, server.resume).start()
            assert found(patient) == ["a#0"]
        finally:
            server.resume()
        assert found(impatient) == ["a#0"]


def test_connecting_waits_for_a_server_that_is_starting(server: RedisProcess) -> None:
    server.kill()
    with pytest.raises(StoreUnavailable, match="REDIS_URL"):
        open_store(server.url, redis_timeout_seconds=0.3)
    starting = threading.Timer(0.3, server.start)
    starting.start()
    with contextlib.closing(open_store(server.url)) as store:
        assert found(store) == []
    starting.join()


def test_a_full_server_pauses_replaces_and_lets_removals_through(tmp_path: Path) -> None:
    random_vectors = np.random.default_rng(3).standard_normal((1_000, 384)).astype(np.float32)
    random_vectors /= np.linalg.norm(random_vectors, axis=1, keepdims=True)
    with redis_server(tmp_path, *WITHOUT_DISK, "--maxmemory", "12mb") as server:
        settings = settings_for(server.url)
        with contextlib.closing(open_redis_store(settings, embedder_name="test", dimension=384)) as store:
            written = 0

            def fill() -> None:
                nonlocal written
                for number in range(20_000):
                    vector = random_vectors[number % 1_000]
                    item = embedded(f"d{number}", seconds=number, vectors=[vector] * 5)
                    assert store.replace([item]) == [APPLIED]
                    written += 1

            with pytest.raises(StoreUnavailable) as caught:
                fill()
            assert_one_clear_line(caught.value, "maxmemory", "MAX_CHUNKS")
            assert store.stats().documents == written
            assert len(store.search(random_vectors[0], 10)) == 10
            for number in range(written // 4):
                assert store.delete(f"d{number}", version(2, 99_999)) is APPLIED
            assert store.purge(None, written) > written // 4
            assert store.replace([embedded("after", vectors=[random_vectors[0]])]) == [APPLIED]
            store.flush()


def test_functions_that_were_flushed_are_loaded_again(server: RedisProcess) -> None:
    with contextlib.closing(open_store(server.url)) as store, server.client() as client:
        store.replace([embedded("a")])
        client.function_flush("SYNC")
        assert found(store) == ["a#0"]
        client.function_flush("SYNC")
        assert store.replace([embedded("b")]) == [APPLIED]
        assert len(client.function_list()) == 1


def test_a_flushed_store_says_so(server: RedisProcess) -> None:
    with contextlib.closing(open_store(server.url)) as store, server.client() as client:
        store.replace([embedded("a")])
        client.flushall()
        for call in (lambda: found(store), lambda: store.replace([embedded("b")]), store.stats):
            with pytest.raises(StoreDamaged) as caught:
                call()
            assert_one_clear_line(caught.value, "REDIS_URL", "python -m services.processor rebuild")


def test_a_store_that_lost_a_shard_is_refused(server: RedisProcess) -> None:
    with contextlib.closing(open_store(server.url)) as store, server.client() as client:
        client.delete(f"{store._shards.tags[1]}:state")
    with pytest.raises(StoreDamaged, match=r"python -m services\.processor rebuild"):
        open_store(server.url)


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"redis_shards": 2}, "REDIS_SHARDS=2"), ({"redis_quantization": "none"}, "REDIS_QUANTIZATION=none")],
)
def test_other_settings_are_refused(server: RedisProcess, changed: dict[str, object], word: str) -> None:
    open_store(server.url).close()
    with pytest.raises(StoreMismatch) as caught:
        open_store(server.url, **changed)
    assert_one_clear_line(caught.value, word)
    assert str(caught.value).endswith("python -m services.processor rebuild")


def test_another_embedder_is_refused(server: RedisProcess) -> None:
    open_store(server.url).close()
    for name, dimension in (("other", DIMENSION), ("test", DIMENSION + 1)):
        with pytest.raises(StoreMismatch, match=r"rebuild$"):
            open_redis_store(settings_for(server.url), embedder_name=name, dimension=dimension)


def test_a_server_that_may_evict_is_refused(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--maxmemory-policy", "allkeys-lru") as server:
        with pytest.raises(ConfigurationError) as caught:
            open_store(server.url)
        assert_one_clear_line(caught.value, "REDIS_URL", "allkeys-lru", "noeviction")


@pytest.mark.parametrize(
    ("options", "changed", "warned"),
    [
        (WITHOUT_DISK, {}, True),
        ((), {}, False),
        (WITHOUT_DISK, {"redis_wait_replicas": 1}, False),
    ],
)
def test_writes_that_are_not_durable_are_warned_of(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    options: tuple[str, ...],
    changed: dict[str, object],
    warned: bool,
) -> None:
    with redis_server(tmp_path, *options) as server, caplog.at_level(logging.WARNING):
        open_store(server.url, **changed).close()
    assert ("not durable" in caplog.text) == warned


def test_passwords(tmp_path: Path) -> None:
    file = tmp_path / "password"
    with redis_server(tmp_path / "redis", "--requirepass", "right") as server:
        file.write_text("right\n")
        with contextlib.closing(open_store(server.url, redis_password_file=file)) as store:
            assert found(store) == []
        file.write_text("wrong")
        with_password = server.url.replace("//", "//:wrong@")
        for url, password_file, words in (
            (server.url, None, ["REDIS_PASSWORD_FILE", "REDIS_URL"]),
            (server.url, file, ["REDIS_PASSWORD_FILE", "REDIS_URL"]),
            (with_password, None, ["REDIS_PASSWORD_FILE", ":***@"]),
            (with_password, file, ["REDIS_PASSWORD_FILE", "too"]),
            (server.url, tmp_path / "absent", ["REDIS_PASSWORD_FILE", "absent"]),
        ):
            with pytest.raises(ConfigurationError) as caught:
                open_store(url, redis_password_file=password_file)
            assert_one_clear_line(caught.value, *words)
            assert "wrong@" not in str(caught.value)


def test_a_user_with_too_few_rights_is_told(server: RedisProcess) -> None:
    with server.client() as client:
        client.acl_setuser("few", enabled=True, passwords=["+p"], commands=["+info", "+command"])
    with pytest.raises(ConfigurationError, match="REDIS_PASSWORD_FILE"):
        open_store(server.url.replace("//", "//few:p@"))


def test_keys_of_something_else_are_reported(server: RedisProcess) -> None:
    with server.client() as client:
        client.set("{rag}:current", "a diary")
    with pytest.raises(StoreDamaged, match="REDIS_PREFIX"):
        open_store(server.url)


def test_an_unchanged_chunk_is_not_indexed_again(server: RedisProcess) -> None:
    """Putting one into the graph costs a millisecond; most edits touch one chunk of many."""
    with contextlib.closing(open_store(server.url)) as store, server.client() as client:
        vectors = [axis(0), axis(1), axis(2)]
        store.replace([embedded("a", 1, vectors=vectors, hashes=["x", "y", "z"])])
        before = client.info("commandstats")["cmdstat_VADD"]["calls"]
        store.replace([embedded("a", 2, 5, vectors=[None, axis(3), axis(2)], hashes=["x", "new", "z"])])
        assert client.info("commandstats")["cmdstat_VADD"]["calls"] == before + 1
        assert {hit.updated_at for hit in store.search(axis(0), 9)} == {at(5)}
