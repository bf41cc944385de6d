"""A Redis server with the configuration and the users of ``docker-compose.yml``."""

from __future__ import annotations

import contextlib
import hashlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from deploy.local.configuration import ROOT
from tests.support.redis_server import RedisProcess, redis_server

SHIPPED = ROOT / "deploy" / "docker" / "redis"
PASSWORDS = {"rag": "secret-of-rag", "exporter": "secret-of-exporter", "health": "anything"}

_OF_THE_CONTAINER = {"dir", "port", "aclfile"}


@dataclass(frozen=True)
class ShippedRedis:
    process: RedisProcess

    def url(self, user: str) -> str:
        return f"redis://{user}:{PASSWORDS[user]}@127.0.0.1:{self.process.port}/0"

    def client(self, user: str | None = None, **options: Any) -> redis.Redis:
        """Of nobody where there is no ``user``."""
        if user is not None:
            options |= {"username": user, "password": PASSWORDS[user]}
        return self.process.client(protocol=2, lib_name=None, lib_version=None, **options)


@contextlib.contextmanager
def redis_as_shipped(folder: Path) -> Iterator[ShippedRedis]:
    folder.mkdir(parents=True, exist_ok=True)
    users = folder / "users.acl"
    hashes = {f"{user}_sha256": hashlib.sha256(text.encode()).hexdigest() for user, text in PASSWORDS.items()}
    users.write_text((SHIPPED / "users.acl.template").read_text("utf-8").format(**hashes), "utf-8")
    with redis_server(folder, "--aclfile", str(users), *shipped_options()) as process:
        yield ShippedRedis(process)


def shipped_options() -> list[str]:
    """``redis.conf`` as a command line, without what is about the container alone."""
    lines = (
        shlex.split(line, comments=True) for line in (SHIPPED / "redis.conf").read_text("utf-8").splitlines()
    )
    return [
        word
        for name, *values in filter(None, lines)
        if name not in _OF_THE_CONTAINER
        for word in (f"--{name}", *values)
    ]
