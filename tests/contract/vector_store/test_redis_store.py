from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import pytest
import redis

from shared.settings import VectorStoreSettings
from shared.vector_store.redis_store.keys import shard_of
from shared.vector_store.redis_store.store import RedisStore, open_redis_store
from tests.contract.vector_store.builders import DIMENSION, ManualClock, axis, embedded
from tests.contract.vector_store.checks import PartOf
from tests.contract.vector_store.contract import VectorStoreContract

_numbers = itertools.count()


class TestRedisStore(VectorStoreContract):
    shards = 1
    quantization = "q8"

    @pytest.fixture
    def url(self, redis_url: str) -> str:
        return redis_url

    @pytest.fixture
    def store(self, clock: ManualClock, url: str) -> Iterator[RedisStore]:
        settings = VectorStoreSettings(
            redis_url=url,
            redis_prefix=f"contract{next(_numbers)}",
            redis_shards=self.shards,
            redis_quantization=self.quantization,
        )
        store = open_redis_store(settings, embedder_name="test", dimension=DIMENSION, clock=clock)
        yield store
        store.close()

    @pytest.fixture
    def part_of(self) -> PartOf:
        return lambda document_id: shard_of(document_id, self.shards)


class TestRedisStoreInThreeShards(TestRedisStore):
    shards = 3


class TestRedisStoreUnquantised(TestRedisStore):
    quantization = "none"


class TestRedisCluster(TestRedisStore):
    shards = 4

    @pytest.fixture
    def url(self, redis_cluster_url: str) -> str:
        return redis_cluster_url


def test_the_trace_of_another_version_is_not_shown(redis_url: str) -> None:
    """Software that knows of none writes a version and leaves the trace of the one before."""
    settings = VectorStoreSettings(
        redis_url=redis_url, redis_prefix=f"contract{next(_numbers)}", redis_shards=1
    )
    with (
        contextlib.closing(open_redis_store(settings, embedder_name="test", dimension=DIMENSION)) as store,
        contextlib.closing(redis.Redis.from_url(redis_url)) as client,
    ):
        store.replace([embedded("older", 1), embedded("never", 1), embedded("known", 1)])
        (older,) = client.scan_iter(f"*{settings.redis_prefix}:*:d:older", 1_000)
        noted = client.hget(older, "r")
        client.hset(older, "r", noted.replace(b"1", b"2", 1))
        (never,) = client.scan_iter(f"*{settings.redis_prefix}:*:d:never", 1_000)
        client.hdel(never, "r")
        traces = {hit.document_id: hit.ingest_trace_id for hit in store.search(axis(0), 3)}
        assert traces == {"older": None, "never": None, "known": f"{1:032x}"}
        assert {
            name: stored.document.ingest_trace_id
            for name, stored in store.get_many(["older", "never", "known"]).items()
        } == traces


def test_a_document_of_more_chunks_than_luas_stack_has_room_for(redis_url: str) -> None:
    settings = VectorStoreSettings(redis_url=redis_url, redis_prefix=f"contract{next(_numbers)}")
    item = embedded("a", vectors=[axis(0)] * 9_000)
    with contextlib.closing(open_redis_store(settings, embedder_name="test", dimension=DIMENSION)) as store:
        store.replace([item])
        assert store.get_many(["a"])["a"].chunks == item.chunks
        assert store.embeddings(["a"])["a"].shape == (9_000, DIMENSION)
        assert len(store.content_hashes(["a"])["a"]) == 9_000
