"""The Redis store with no more rights than the stack in containers gives it, and what nobody may."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import pytest
import redis
from redis.exceptions import AuthenticationError, NoPermissionError

from shared.settings import VectorStoreSettings
from shared.vector_store.redis_store.rebuild import begin_redis_rebuild
from shared.vector_store.redis_store.store import RedisStore, open_redis_store
from tests.contract.vector_store import test_redis_store
from tests.contract.vector_store.builders import DIMENSION, ManualClock, embedded
from tests.contract.vector_store.checks import found
from tests.support.redis_as_shipped import ShippedRedis, redis_as_shipped

_numbers = itertools.count()


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShippedRedis]:
    with redis_as_shipped(tmp_path_factory.mktemp("shipped-redis")) as server:
        yield server


def settings_of(shipped: ShippedRedis, shards: int = 1) -> VectorStoreSettings:
    return VectorStoreSettings(
        redis_url=shipped.url("rag"), redis_prefix=f"rag:{next(_numbers)}", redis_shards=shards
    )


class TestRedisStoreWithTheRightsOfItsUser(test_redis_store.TestRedisStoreInThreeShards):
    @pytest.fixture
    def store(self, clock: ManualClock, shipped: ShippedRedis) -> Iterator[RedisStore]:
        settings = settings_of(shipped, self.shards)
        store = open_redis_store(settings, embedder_name="test", dimension=DIMENSION, clock=clock)
        yield store
        store.close()


def test_its_default_prefix_is_within_its_rights(shipped: ShippedRedis) -> None:
    settings = settings_of(shipped).model_copy(update={"redis_prefix": "rag"})
    with contextlib.closing(open_redis_store(settings, embedder_name="test", dimension=DIMENSION)) as store:
        store.replace([embedded("a", 1)])
        store.flush()
        assert found(store) == ["a#0"]


def test_its_rights_are_enough_to_rebuild(shipped: ShippedRedis) -> None:
    settings = settings_of(shipped, 2)
    names = {"embedder_name": "test", "dimension": DIMENSION}
    with (
        contextlib.closing(open_redis_store(settings, **names)) as store,
        contextlib.closing(begin_redis_rebuild(settings, **names)) as rebuild,
    ):
        store.replace([embedded("a", 1)])
        rebuild.target.replace([embedded("a", 2), embedded("b", 1)])
        rebuild.seal()
        rebuild.switch()
    with contextlib.closing(open_redis_store(settings, **names)) as store:
        assert sorted(found(store)) == ["a#0", "b#0"]


@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL",
        "FLUSHDB",
        "CONFIG GET maxmemory",
        "CONFIG SET maxmemory-policy allkeys-lru",
        "ACL LIST",
        "ACL SETUSER rag allcommands",
        "KEYS *",
        "SCAN 0",
        "EVAL return(1) 0",
        "FUNCTION DELETE anything",
        "FUNCTION FLUSH",
        "MONITOR",
        "SHUTDOWN",
        "BGREWRITEAOF",
        "REPLICAOF NO ONE",
        "MODULE LIST",
        "GET another",
        "SET rag:almost 1",
        "SET {ragged}:almost 1",
        "RENAME {rag}:current {rag}:other",
    ],
)
def test_the_store_may_not(shipped: ShippedRedis, command: str) -> None:
    with shipped.client("rag") as client, pytest.raises(NoPermissionError):
        client.execute_command(*command.split())


def test_the_exporter_sees_statistics_and_no_key(shipped: ShippedRedis) -> None:
    with shipped.client("exporter") as client:
        assert "redis_version" in client.info("everything")
        client.execute_command("SLOWLOG", "LEN")
        client.execute_command("LATENCY", "LATEST")
        for command in (
            "GET {rag}:current",
            "SET {rag}:current 1",
            "KEYS *",
            "SLOWLOG GET",
            "CONFIG GET *",
            "FLUSHALL",
        ):
            with pytest.raises(NoPermissionError):
                client.execute_command(*command.split())


def test_the_health_check_may_ping_and_nothing_else(shipped: ShippedRedis) -> None:
    with shipped.client("health") as client:
        assert client.ping()
        for command in ("INFO", "GET {rag}:current", "ACL WHOAMI", "CLIENT LIST"):
            with pytest.raises(NoPermissionError):
                client.execute_command(*command.split())


@pytest.mark.parametrize("command", ["PING", "INFO", "GET {rag}:current", "FLUSHALL"])
def test_nobody_gets_in_without_a_user(shipped: ShippedRedis, command: str) -> None:
    with shipped.client() as client, pytest.raises(AuthenticationError):
        client.execute_command(*command.split())


@pytest.mark.parametrize("user", ["rag", "exporter", "default"])
def test_a_wrong_password_is_refused(shipped: ShippedRedis, user: str) -> None:
    with (
        contextlib.closing(redis.Redis(port=shipped.process.port, username=user, password="wrong")) as client,
        pytest.raises(AuthenticationError),
    ):
        client.ping()
