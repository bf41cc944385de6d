"""What a server must be like to hold the store, asked once at start."""

from __future__ import annotations

import logging

from shared.errors import ConfigurationError
from shared.settings import VectorStoreSettings
from shared.vector_store.redis_store.failures import shown
from shared.vector_store.redis_store.keys import pointer_key
from shared.vector_store.redis_store.servers import Servers

log = logging.getLogger(__name__)


def check_servers(servers: Servers, settings: VectorStoreSettings) -> None:
    """:raises ConfigurationError: it is older than Redis 8, or may evict keys."""
    key = pointer_key(settings.redis_prefix)
    info_text, commands = servers.run({key: [("INFO", "everything"), ("COMMAND", "INFO", "VADD")]})[key]
    info = dict(
        line.split(":", 1) for line in info_text.decode("utf-8", "replace").splitlines() if ":" in line
    )
    where = f"REDIS_URL={shown(settings.redis_url)}"
    if commands == [None]:
        raise ConfigurationError(
            f"{where}: Redis {info['redis_version']} has no vector sets; Redis 8 or newer is needed"
        )
    policy = info["maxmemory_policy"]
    if policy != "noeviction":
        raise ConfigurationError(
            f"{where}: maxmemory-policy is {policy}, so the server may drop parts of the store; set it to "
            f"noeviction, and MAX_CHUNKS to what fits"
        )
    is_cluster = info["redis_mode"] == "cluster"
    if info["aof_enabled"] != "1" and not settings.redis_wait_replicas:
        log.warning(
            "writes are not durable: the server has no append-only file and REDIS_WAIT_REPLICAS is 0",
            extra={"redis": shown(settings.redis_url)},
        )
    elif is_cluster and not settings.redis_wait_replicas:
        log.warning(
            "a failover may lose writes after they were flushed: set REDIS_WAIT_REPLICAS to 1",
            extra={"redis": shown(settings.redis_url)},
        )
