"""What one server does to a Redis store: it dies, stands still, fills up, and forgets."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from shared.domain import WriteOutcome
from shared.errors import StoreDamaged, StoreUnavailable
from shared.vector_store.redis_store.store import open_redis_store
from tests.contract.vector_store.builders import axis, embedded, version
from tests.contract.vector_store.checks import found
from tests.support.errors import assert_one_clear_line
from tests.support.redis_server import WITHOUT_DISK, RedisProcess, redis_server
from tests.support.stores import redis_settings, redis_store
from tests.support.upstream import Upstream

APPLIED = WriteOutcome.APPLIED


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    with redis_server(tmp_path / "redis") as server:
        yield server


def test_a_killed_server_that_comes_back_has_all_or_says_what_it_lost(server: RedisProcess) -> None:
    seed = 7
    with contextlib.closing(redis_store(server.url)) as store:
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


def test_a_replica_that_does_not_confirm_is_waited_for(tmp_path: Path) -> None:
    with (
        redis_server(tmp_path, *WITHOUT_DISK) as server,
        contextlib.closing(
            redis_store(server.url, redis_wait_replicas=1, redis_timeout_seconds=3.0)
        ) as store,
    ):
        store.replace([embedded("a")])
        with pytest.raises(StoreUnavailable) as caught:
            store.flush()
        assert_one_clear_line(caught.value, "REDIS_WAIT_REPLICAS=1", "0 replicas")


def test_a_flush_is_on_disk(server: RedisProcess) -> None:
    with contextlib.closing(redis_store(server.url)) as store:
        store.replace([embedded(f"d{number}") for number in range(20)])
        store.flush()
        server.restart()
        assert len(found(store)) == 20
        store.flush()


def test_a_server_that_stands_still_is_waited_for_and_then_unavailable(tmp_path: Path) -> None:
    with (
        redis_server(tmp_path, *WITHOUT_DISK) as server,
        contextlib.closing(redis_store(server.url, redis_timeout_seconds=2.0)) as impatient,
        contextlib.closing(redis_store(server.url)) as patient,
    ):
        impatient.replace([embedded("a")])
        server.pause()
        try:
            with pytest.raises(StoreUnavailable) as caught:
                impatient.search(axis(0), 1)
            assert_one_clear_line(caught.value, "REDIS_URL", "REDIS_TIMEOUT_SECONDS=2")
            threading.Timer(0.3, server.resume).start()
            assert found(patient) == ["a#0"]
        finally:
            server.resume()
        assert found(impatient) == ["a#0"]


def test_connecting_waits_for_a_server_that_is_starting(server: RedisProcess) -> None:
    server.kill()
    with pytest.raises(StoreUnavailable, match="REDIS_URL"):
        redis_store(server.url, redis_timeout_seconds=0.3)
    starting = threading.Timer(0.3, server.start)
    starting.start()
    with contextlib.closing(redis_store(server.url)) as store:
        assert found(store) == []
    starting.join()


def test_a_full_server_pauses_replaces_and_lets_removals_through(tmp_path: Path) -> None:
    random_vectors = np.random.default_rng(3).standard_normal((1_000, 384)).astype(np.float32)
    random_vectors /= np.linalg.norm(random_vectors, axis=1, keepdims=True)
    with redis_server(tmp_path, *WITHOUT_DISK, "--maxmemory", "12mb") as server:
        settings = redis_settings(server.url)
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
    with contextlib.closing(redis_store(server.url)) as store, server.client() as client:
        store.replace([embedded("a")])
        client.function_flush("SYNC")
        assert found(store) == ["a#0"]
        client.function_flush("SYNC")
        assert store.replace([embedded("b")]) == [APPLIED]
        assert len(client.function_list()) == 1


def test_a_flushed_store_says_so(server: RedisProcess) -> None:
    with contextlib.closing(redis_store(server.url)) as store, server.client() as client:
        store.replace([embedded("a")])
        client.flushall()
        for call in (lambda: found(store), lambda: store.replace([embedded("b")]), store.stats):
            with pytest.raises(StoreDamaged) as caught:
                call()
            assert_one_clear_line(caught.value, "REDIS_URL", "python -m services.processor rebuild")
