"""What the Redis store refuses when it is opened, and what it warns of."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import ConfigurationError, StoreDamaged, StoreMismatch
from shared.vector_store.redis_store.store import open_redis_store
from tests.contract.vector_store.builders import DIMENSION
from tests.contract.vector_store.checks import found
from tests.support.errors import assert_one_clear_line
from tests.support.redis_server import WITHOUT_DISK, RedisProcess, redis_server
from tests.support.stores import redis_settings, redis_store


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    with redis_server(tmp_path / "redis", *WITHOUT_DISK) as server:
        yield server


def test_a_store_that_lost_a_shard_is_refused(server: RedisProcess) -> None:
    with contextlib.closing(redis_store(server.url)) as store, server.client() as client:
        client.delete(f"{store._shards.tags[1]}:state")
    with pytest.raises(StoreDamaged, match=r"python -m services\.processor rebuild"):
        redis_store(server.url)


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"redis_shards": 2}, "REDIS_SHARDS=2"), ({"redis_quantization": "none"}, "REDIS_QUANTIZATION=none")],
)
def test_other_settings_are_refused(server: RedisProcess, changed: dict[str, object], word: str) -> None:
    redis_store(server.url).close()
    with pytest.raises(StoreMismatch) as caught:
        redis_store(server.url, **changed)
    assert_one_clear_line(caught.value, word)
    assert str(caught.value).endswith("python -m services.processor rebuild")


def test_another_embedder_is_refused(server: RedisProcess) -> None:
    redis_store(server.url).close()
    for name, dimension in (("other", DIMENSION), ("test", DIMENSION + 1)):
        with pytest.raises(StoreMismatch, match=r"rebuild$"):
            open_redis_store(redis_settings(server.url), embedder_name=name, dimension=dimension)


def test_a_server_that_may_evict_is_refused(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--maxmemory-policy", "allkeys-lru") as server:
        with pytest.raises(ConfigurationError) as caught:
            redis_store(server.url)
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
        redis_store(server.url, **changed).close()
    assert ("not durable" in caplog.text) == warned


def test_passwords(tmp_path: Path) -> None:
    file = tmp_path / "password"
    with redis_server(tmp_path / "redis", "--requirepass", "right") as server:
        file.write_text("right\n")
        with contextlib.closing(redis_store(server.url, redis_password_file=file)) as store:
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
                redis_store(url, redis_password_file=password_file)
            assert_one_clear_line(caught.value, *words)
            assert "wrong@" not in str(caught.value)


def test_a_user_with_too_few_rights_is_told(server: RedisProcess) -> None:
    with server.client() as client:
        client.acl_setuser("few", enabled=True, passwords=["+p"], commands=["+info", "+command"])
    with pytest.raises(ConfigurationError, match="REDIS_PASSWORD_FILE"):
        redis_store(server.url.replace("//", "//few:p@"))


def test_keys_of_something_else_are_reported(server: RedisProcess) -> None:
    with server.client() as client:
        client.set("{rag}:current", "a diary")
    with pytest.raises(StoreDamaged, match="REDIS_PREFIX"):
        redis_store(server.url)
