"""Which server has a key: the one there is, or the primary of its slot in a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from shared.errors import ConfigurationError
from shared.vector_store.redis_store.failures import shown


class Route(Protocol):
    """Safe to use from several threads."""

    def pool_of(self, key: str) -> redis.ConnectionPool:
        """Connections to the server that has ``key``, as far as known."""

    def refresh(self) -> None:
        """Something went wrong: find out who has which key now."""

    def close(self) -> None: ...


class OneServer:
    def __init__(self, client: redis.Redis) -> None:
        self._pool = client.connection_pool

    def pool_of(self, key: str) -> redis.ConnectionPool:
        return self._pool

    def refresh(self) -> None:
        """There is nobody else to ask."""

    def close(self) -> None:
        self._pool.disconnect()


class ManyServers:
    def __init__(self, cluster: redis.RedisCluster) -> None:
        self._cluster = cluster

    def pool_of(self, key: str) -> redis.ConnectionPool:
        node = self._cluster.get_node_from_key(key)  # type: ignore[no-untyped-call]
        return self._cluster.get_redis_connection(node).connection_pool

    def refresh(self) -> None:
        try:
            self._cluster.nodes_manager.initialize()
        except RedisClusterException:
            return  # no node answers; the next attempt asks again

    def close(self) -> None:
        self._cluster.close()


def find_route(url: str, password: str | None, timeout: float) -> Route:
    """Connect to one server, and to its cluster where it is part of one.

    :raises RedisError: as the client library does.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "socket_keepalive": True,
        "protocol": 2,
    }
    if password is not None:
        options["password"] = password
    client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)
    if client.info("server")["redis_mode"] != "cluster":
        return OneServer(client)
    client.close()
    return ManyServers(redis.RedisCluster.from_url(url, require_full_coverage=False, **options))


def read_password(url: str, file: Path | None) -> str | None:
    """:raises ConfigurationError: the file cannot be read, or there are two passwords."""
    if file is None:
        return None
    if urlsplit(url).password is not None:
        raise ConfigurationError(
            f"REDIS_PASSWORD_FILE={file}: REDIS_URL={shown(url)} has a password too; keep one of them"
        )
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"REDIS_PASSWORD_FILE={file}: cannot be read ({error})") from None
