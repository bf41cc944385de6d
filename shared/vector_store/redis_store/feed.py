"""The change feed: a stream for each shard, read together."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.domain import Change, ChangePage
from shared.errors import CursorExpired
from shared.vector_store.redis_store.codec import decode_change
from shared.vector_store.redis_store.library import ask
from shared.vector_store.redis_store.servers import Servers

_POSITION = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class _Position:
    """``seq`` of the last change seen; ``base``: removals up to it were forgotten before the reader began,
    so that it has missed nothing by them."""

    seq: int
    base: int


class _Row(NamedTuple):
    shard: int
    seq: int
    change: Change


def change_page(
    servers: Servers, generation: str, tags: Sequence[str], after: str | None, limit: int
) -> ChangePage:
    positions = _parse(after, generation, len(tags))
    replies = servers.run(
        {
            tag: [ask("changes", tag, position.seq if position else 0, limit)]
            for tag, position in zip(tags, positions, strict=True)
        }
    )
    reached = []
    rows = []
    for shard, (tag, position) in enumerate(zip(tags, positions, strict=True)):
        forgotten, entries = replies[tag][0]
        reached.append(_checked(position, int(forgotten)))
        rows.append([_Row(shard, *decode_change(entry)) for entry in entries])
    changes = []
    for row in _first(rows, limit):
        changes.append(row.change)
        reached[row.shard] = _Position(row.seq, reached[row.shard].base)
    cursor = ",".join(f"{position.seq}.{position.base}" for position in reached)
    return ChangePage(tuple(changes), f"{generation}:{cursor}")


def _first(rows: Sequence[Sequence[_Row]], limit: int) -> Iterator[_Row]:
    """In order within each shard, and by time between them as far as that allows."""
    merged = heapq.merge(*rows, key=lambda row: row.change.indexed_at)
    return (row for row, _ in zip(merged, range(limit), strict=False))


def _parse(after: str | None, generation: str, shards: int) -> list[_Position | None]:
    if after is None:
        return [None] * shards
    cursor_generation, _, rest = after.partition(":")
    matches = [_POSITION.fullmatch(part) for part in rest.split(",")]
    if cursor_generation != generation or len(matches) != shards or None in matches:
        raise CursorExpired("the cursor is of another store or generation")
    return [_Position(int(match[1]), int(match[2])) for match in matches if match]


def _checked(position: _Position | None, forgotten: int) -> _Position:
    if position is None:
        return _Position(0, forgotten)
    if forgotten > max(position.seq, position.base):
        raise CursorExpired("removals after the cursor have been forgotten")
    return position
