"""Look-ups, each one moment of each shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.domain import StoredDocument, StoreFootprint, StoreStats, from_epoch_milliseconds
from shared.vector_store.redis_store.codec import decode_embeddings, decode_stored
from shared.vector_store.redis_store.library import ask
from shared.vector_store.redis_store.shards import Shards

if TYPE_CHECKING:
    from shared.ports import Embeddings


_IDS_PER_CALL = 100  # the shard serves nobody else meanwhile


def content_hashes(shards: Shards, document_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    return {
        document_id: frozenset(digest.decode() for digest in hashes)
        for document_id, hashes in _of_live(shards, "hashes", document_ids)
    }


def live_documents(shards: Shards, document_ids: Sequence[str]) -> dict[str, StoredDocument]:
    return {
        document_id: decode_stored(document_id, reply)
        for document_id, reply in _of_live(shards, "read", document_ids)
    }


def embeddings(shards: Shards, document_ids: Sequence[str]) -> dict[str, Embeddings]:
    """Those that were written, not what the vector sets' quantisation has left of them."""
    return {
        document_id: decode_embeddings([blob], shards.description.dimension)
        for document_id, blob in _of_live(shards, "embeddings", document_ids)
    }


def _of_live(shards: Shards, function: str, document_ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Each live document's id and what ``function`` replied for it: one pipeline for each shard, in which
    each document is as of one moment."""
    wanted: dict[str, list[str]] = {}
    for document_id in dict.fromkeys(document_ids):
        wanted.setdefault(shards.tag_of(document_id), []).append(document_id)
    calls = {
        tag: [ids[start : start + _IDS_PER_CALL] for start in range(0, len(ids), _IDS_PER_CALL)]
        for tag, ids in wanted.items()
    }
    replies = shards.servers.run(
        {tag: [ask(function, tag, *ids) for ids in parts] for tag, parts in calls.items()}
    )
    for tag, parts in calls.items():
        for ids, answers in zip(parts, replies[tag], strict=True):
            for document_id, answer in zip(ids, answers, strict=True):
                if answer is not None:
                    yield document_id, answer


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


def footprint(shards: Shards) -> StoreFootprint:
    """Of the masters that hold a shard, whatever else they hold. Without a limit on one there is none."""
    replies = shards.servers.run({tag: [("INFO", "server", "memory")] for tag in shards.tags})
    servers = {info["run_id"]: info for (text,) in replies.values() for info in [_fields(text)]}
    limits = [int(info["maxmemory"]) for info in servers.values()]
    return StoreFootprint(
        used_bytes=sum(int(info["used_memory"]) for info in servers.values()),
        limit_bytes=sum(limits) if all(limits) else None,
    )


def _fields(info: bytes) -> dict[str, str]:
    return dict(line.split(":", 1) for line in info.decode("utf-8", "replace").splitlines() if ":" in line)
