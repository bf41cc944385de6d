"""Versioned changes: each document in one atomic step, many of them in one pipeline for each shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.domain import Version, WriteOutcome, epoch_milliseconds
from shared.ports import EmbeddedDocument
from shared.vector_store.redis_store.codec import encode_version, put_arguments
from shared.vector_store.redis_store.journal import Operation
from shared.vector_store.redis_store.shards import Shards

_PIPELINE_BYTES = 256 * 1024  # for each shard: about a hundred chunks, so a tenth of a second

_OUTCOMES = {
    b"A": WriteOutcome.APPLIED,
    b"D": WriteOutcome.DUPLICATE,
    b"S": WriteOutcome.STALE,
    b"U": WriteOutcome.UNRESOLVED,
}


def replace_documents(shards: Shards, items: Sequence[EmbeddedDocument], now: int) -> list[WriteOutcome]:
    """``now`` in epoch milliseconds, here and below."""
    outcomes: list[WriteOutcome] = []
    for operations in _pipelines(items, now, _PIPELINE_BYTES * len(shards.tags)):
        batch: dict[str, list[Operation]] = {}
        tags = [shards.tag_of(document_id) for document_id, _ in operations]
        for tag, (_, operation) in zip(tags, operations, strict=True):
            batch.setdefault(tag, []).append(operation)
        replies = {tag: iter(each) for tag, each in shards.journal.write(batch).items()}
        outcomes += [_OUTCOMES[next(replies[tag])] for tag in tags]
    return outcomes


def _pipelines(
    items: Sequence[EmbeddedDocument], now: int, limit: int
) -> Iterator[list[tuple[str, Operation]]]:
    """Document ids and operations, in order, cut where they reach ``limit`` bytes."""
    operations: list[tuple[str, Operation]] = []
    size = 0
    for item in items:
        arguments = put_arguments(item)
        operations.append((item.document.document_id, ("put", [now, *arguments])))
        size += sum(len(part) for part in arguments if not isinstance(part, int))
        if size >= limit:
            yield operations
            operations, size = [], 0
    if operations:
        yield operations


def delete_document(shards: Shards, document_id: str, version: Version, now: int) -> WriteOutcome:
    tag = shards.tag_of(document_id)
    moment = epoch_milliseconds(version.updated_at)
    operation: Operation = ("remove", [now, document_id, encode_version(version), moment])
    return _OUTCOMES[shards.journal.write({tag: [operation]})[tag][0]]
