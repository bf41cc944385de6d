"""What one writer did in each shard, numbered, so that a loss is noticed.

A server that fails over or restarts may lose what it has acknowledged. Each operation therefore names the
one before it, the server keeps the number of the last, and a gap is marked there until ``flush`` finds it.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.errors import StoreUnavailable, WritesLost
from shared.vector_store.redis_store.failures import shown
from shared.vector_store.redis_store.keys import Command
from shared.vector_store.redis_store.library import call
from shared.vector_store.redis_store.servers import Servers

Operation = tuple[str, Sequence[str | bytes | int]]
"""A function and its arguments behind ``writer previous number``."""

_WRITER_MILLISECONDS = 7 * 86_400_000
_WAIT_SHARE = 0.8  # of the time limit: the answer has to arrive within it


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
        known = self._confirmed(writer, dirty, wait_replicas)
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

    def _confirmed(self, writer: str, dirty: list[str], wait_replicas: int) -> dict[str, bytes | None]:
        """Wait for disk and replicas; then the number of the writer's last operation in each shard."""
        infos = self._servers.run({tag: [("INFO", "persistence")] for tag in dirty})
        milliseconds = int(self._servers.timeout * 1000 * _WAIT_SHARE)
        work: dict[str, list[Command]] = {}
        for tag in dirty:
            key = f"{tag}:writer:{writer}"
            # A write first: the server waits for the last write of this very connection.
            work[tag] = [("PEXPIRE", key, _WRITER_MILLISECONDS)]
            if b"aof_enabled:1" in infos[tag][0]:
                work[tag].append(("WAITAOF", 1, 0, milliseconds))
            if wait_replicas:
                work[tag].append(("WAIT", wait_replicas, milliseconds))
            work[tag].append(("GET", key))
        replies = self._servers.run(work)
        for tag, commands in work.items():
            for command, reply in zip(commands, replies[tag], strict=True):
                self._check_confirmed(command, reply)
        return {tag: reply[-1] for tag, reply in replies.items()}

    def _check_confirmed(self, command: Command, reply: Any) -> None:
        where = f"REDIS_URL={shown(self._servers.url)}"
        if command[0] == "WAITAOF" and not reply[0]:
            raise StoreUnavailable(
                f"{where}: the server did not write its append-only file to disk within "
                f"REDIS_TIMEOUT_SECONDS={self._servers.timeout:g}; is its disk slow, or appendfsync no?"
            )
        if command[0] == "WAIT" and reply < int(command[1]):
            raise StoreUnavailable(
                f"{where}: {reply} replicas confirmed within REDIS_TIMEOUT_SECONDS="
                f"{self._servers.timeout:g}, REDIS_WAIT_REPLICAS={command[1]!r} are needed"
            )


def _reaches(known: bytes | None, number: int) -> bool:
    return known is not None and known != b"lost" and int(known) >= number
