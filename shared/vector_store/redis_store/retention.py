"""Purging and forgetting, in steps that leave the servers time for others."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shared.vector_store.redis_store.journal import Journal
from shared.vector_store.redis_store.library import ask
from shared.vector_store.redis_store.servers import Servers

_READ_AT_ONCE = 500
_REMOVED_AT_ONCE = 20  # documents; taking one chunk out of the graph costs up to a millisecond
_FORGOTTEN_AT_ONCE = 200


class _Old(NamedTuple):
    updated_at: int
    document_id: bytes
    tag: str
    version: bytes
    chunks: int


def purge(
    servers: Servers,
    journal: Journal,
    tags: Sequence[str],
    *,
    now: int,
    older_than: int | None,
    max_chunks: int | None,
) -> int:
    """``now`` and ``older_than`` in epoch milliseconds. Returns how many documents were removed."""
    removed = 0
    while True:
        doomed = _doomed(servers, tags, older_than, max_chunks)
        if not doomed:
            return removed
        for first in range(0, len(doomed), _REMOVED_AT_ONCE):
            step: dict[str, list[str | bytes | int]] = {}
            for old in doomed[first : first + _REMOVED_AT_ONCE]:
                step.setdefault(old.tag, [now]).extend((old.document_id, old.version))
            replies = journal.write({tag: [("purge", arguments)] for tag, arguments in step.items()})
            removed += sum(count for (count,) in replies.values())


def _doomed(
    servers: Servers, tags: Sequence[str], older_than: int | None, max_chunks: int | None
) -> list[_Old]:
    """The next documents that have to go, oldest first over all shards."""
    replies = servers.run({tag: [("VCARD", f"{tag}:v"), ask("oldest", tag, _READ_AT_ONCE)] for tag in tags})
    chunks_left = sum(size for size, _ in replies.values())
    pages = [
        [
            _Old(int(updated_at), document_id, tag, version, int(chunks))
            for updated_at, document_id, version, chunks in rows
        ]
        for tag, (_, rows) in replies.items()
    ]
    doomed = []
    for old in _in_order(pages):
        too_old = older_than is not None and old.updated_at < older_than
        too_many = max_chunks is not None and chunks_left > max_chunks
        if not (too_old or too_many):
            break
        doomed.append(old)
        chunks_left -= old.chunks
    return doomed


def _in_order(pages: Sequence[Sequence[_Old]]) -> Iterator[_Old]:
    """As far as the pages tell: behind the end of a full page, its shard may have older documents."""
    ends = [page[-1] for page in pages if len(page) == _READ_AT_ONCE]
    for old in heapq.merge(*pages):
        yield old
        if old in ends:
            return


def expire(journal: Journal, tags: Sequence[str], removed_before: int) -> int:
    """``removed_before`` in epoch milliseconds. Returns how many documents were forgotten."""
    expired = 0
    left = list(tags)
    while left:
        replies = journal.write({tag: [("expire", [removed_before, _FORGOTTEN_AT_ONCE])] for tag in left})
        expired += sum(count for (count,) in replies.values())
        left = [tag for tag in left if replies[tag][0] == _FORGOTTEN_AT_ONCE]
    return expired
