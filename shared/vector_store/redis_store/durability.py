"""Waiting until what a server acknowledged is on its disk and at its replicas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from shared.errors import StoreUnavailable
from shared.vector_store.redis_store.failures import shown
from shared.vector_store.redis_store.keys import Command
from shared.vector_store.redis_store.servers import Servers

_WAIT_SHARE = 0.8  # of the time limit: the answer has to arrive within it


class Fence(NamedTuple):
    """A server waits for the last write of the connection that asks, so there has to be one: ``write``.
    ``read`` is asked once that is confirmed."""

    write: Command
    read: Command


def confirm(servers: Servers, fences: Mapping[str, Fence], wait_replicas: int) -> dict[str, Any]:
    """What each key's ``read`` replied, after all that its server did before was made as durable as the
    server is set up to: synced, if it has an append-only file, and at ``wait_replicas`` replicas.

    :raises StoreUnavailable: not confirmed within the time limit.
    """
    infos = servers.run({key: [("INFO", "persistence")] for key in fences})
    milliseconds = int(servers.timeout * 1000 * _WAIT_SHARE)
    work: dict[str, list[Command]] = {}
    for key, fence in fences.items():
        work[key] = [fence.write]
        if b"aof_enabled:1" in infos[key][0]:
            work[key].append(("WAITAOF", 1, 0, milliseconds))
        if wait_replicas:
            work[key].append(("WAIT", wait_replicas, milliseconds))
        work[key].append(fence.read)
    replies = servers.run(work)
    for key, commands in work.items():
        for command, reply in zip(commands[1:-1], replies[key][1:-1], strict=True):
            _check(servers, command, reply)
    return {key: reply[-1] for key, reply in replies.items()}


def _check(servers: Servers, command: Command, reply: Any) -> None:
    where = f"REDIS_URL={shown(servers.url)}"
    limit = f"within REDIS_TIMEOUT_SECONDS={servers.timeout:g}"
    if command[0] == "WAITAOF":
        if not reply[0]:
            raise StoreUnavailable(
                f"{where}: the server did not write its append-only file to disk {limit}; is its disk slow, "
                f"or appendfsync set to no?"
            )
    elif reply < command[1]:
        raise StoreUnavailable(
            f"{where}: {reply} replicas confirmed {limit}, REDIS_WAIT_REPLICAS={command[1]!r} are needed"
        )
