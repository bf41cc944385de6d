"""What one writer did in each shard, numbered, so that a loss is noticed.

A server that fails over or restarts may lose what it has acknowledged. Each operation therefore names the
one before it, the server keeps the number of the last, and a gap is marked there until ``flush`` finds it.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.errors import WritesLost
from shared.vector_store.redis_store.durability import Fence, confirm
from shared.vector_store.redis_store.failures import shown
from shared.vector_store.redis_store.keys import Command
from shared.vector_store.redis_store.library import ask, call
from shared.vector_store.redis_store.servers import Servers

Operation = tuple[str, Sequence[str | bytes | int]]
"""A function and its arguments behind ``writer previous number``."""

_WRITER_MILLISECONDS = 7 * 86_400_000


class Journal:
    """Of one object, for one generation. Safe to use from several threads: their writes take turns."""

    def __init__(self, servers: Servers, tags: Iterable[str]) -> None:
        self._servers = servers
        self._tags = tuple(tags)
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._writer = secrets.token_hex(8)
        self._sent = dict.fromkeys(self._tags, 0)
        self._answered = dict.fromkeys(self._tags, 0)
        self._flushed = dict.fromkeys(self._tags, 0)

    @property
    def is_flushed(self) -> bool:
        with self._lock:
            return self._answered == self._flushed

    def write(self, operations: Mapping[str, Sequence[Operation]]) -> dict[str, list[Any]]:
        """Run each shard's operations in order."""
        with self._lock:
            work = {tag: self._numbered(tag, items) for tag, items in operations.items()}
            replies = self._servers.run(work)
            for tag in work:
                self._answered[tag] = self._sent[tag]
            return replies

    def _numbered(self, tag: str, operations: Sequence[Operation]) -> list[Command]:
        previous = self._answered[tag]  # those after it may have failed
        commands = []
        for function, arguments in operations:
            self._sent[tag] += 1
            commands.append(call(function, tag, self._writer, previous, self._sent[tag], *arguments))
            previous = self._sent[tag]
        return commands

    def flush(self, wait_replicas: int) -> None:
        """Writers go on meanwhile; what they write after the call began need not be covered.

        :raises WritesLost: operations are missing on a server.
        :raises StoreUnavailable: not confirmed within the time limit.
        """
        with self._lock:
            writer, answered = self._writer, dict(self._answered)
            dirty = [tag for tag in self._tags if answered[tag] != self._flushed[tag]]
        if not dirty:
            return
        known = confirm(
            self._servers,
            {
                tag: Fence(
                    write=("PEXPIRE", f"{tag}:writer:{writer}", _WRITER_MILLISECONDS),
                    read=ask("written", tag, writer),
                )
                for tag in dirty
            },
            wait_replicas,
        )
        with self._lock:
            if writer != self._writer:
                return  # another thread's flush found the loss, and says so
            if any(not _reaches(known[tag], answered[tag]) for tag in dirty):
                self._begin()
                raise WritesLost(
                    f"REDIS_URL={shown(self._servers.url)}: a failover or restart lost acknowledged writes; "
                    f"they are written again. REDIS_WAIT_REPLICAS and appendonly make this rare"
                )
            for tag in dirty:
                self._flushed[tag] = answered[tag]


def _reaches(known: bytes | None, number: int) -> bool:
    return known is not None and known != b"lost" and int(known) >= number
