"""Look-ups, each one moment of each shard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shared.domain import StoredDocument, StoreStats, from_epoch_milliseconds
from shared.vector_store.redis_store.codec import decode_stored
from shared.vector_store.redis_store.library import ask
from shared.vector_store.redis_store.shards import Shards


def content_hashes(shards: Shards, document_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    wanted: dict[str, list[str]] = {}
    for document_id in document_ids:
        wanted.setdefault(shards.tag_of(document_id), []).append(document_id)
    replies = shards.servers.run({tag: [ask("hashes", tag, *ids)] for tag, ids in wanted.items()})
    return {
        document_id: frozenset(digest.decode() for digest in hashes)
        for tag, ids in wanted.items()
        for document_id, hashes in zip(ids, replies[tag][0], strict=True)
        if hashes is not None
    }


def get_document(shards: Shards, document_id: str) -> StoredDocument | None:
    tag = shards.tag_of(document_id)
    reply = shards.servers.one(tag, ask("read", tag, document_id))
    return None if reply is None else decode_stored(document_id, reply)


def store_stats(shards: Shards, now: datetime) -> StoreStats:
    replies = shards.servers.run({tag: [ask("stats", tag)] for tag in shards.tags})
    rows = [row for (row,) in replies.values()]
    newest = [int(moment) for row in rows for moment in row[3:5] if moment is not None]
    indexed = [int(row[5]) for row in rows if row[5] is not None]
    return StoreStats(
        documents=sum(row[0] for row in rows),
        chunks=sum(row[1] for row in rows),
        tombstones=sum(row[2] for row in rows),
        as_of=min(from_epoch_milliseconds(max(newest)), now) if newest else None,
        last_indexed_at=from_epoch_milliseconds(max(indexed)) if indexed else None,
    )
