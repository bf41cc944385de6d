from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import pytest

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


def test_a_document_of_more_chunks_than_luas_stack_has_room_for(redis_url: str) -> None:
    settings = VectorStoreSettings(redis_url=redis_url, redis_prefix=f"contract{next(_numbers)}")
    item = embedded("a", vectors=[axis(0)] * 9_000)
    with contextlib.closing(open_redis_store(settings, embedder_name="test", dimension=DIMENSION)) as store:
        store.replace([item])
        assert store.get_many(["a"])["a"].chunks == item.chunks
        assert store.embeddings(["a"])["a"].shape == (9_000, DIMENSION)
        assert len(store.content_hashes(["a"])["a"]) == 9_000
