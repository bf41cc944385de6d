"""How to search a shard: three ways, each the cheapest somewhere. Pure, but for reading the counts.

- ``GATHER``: all chunks of a short time range are fetched and scored here; exact.
- ``SCAN``: the server looks at every element (``TRUTH``); time grows with the shard, a filter costs nothing
  more, and nothing is missed.
- ``GRAPH``: the server walks the graph; time hardly grows, unless a filter lets little through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.domain import SearchFilter
from shared.vector_store.redis_store.codec import label
from shared.vector_store.redis_store.filters import time_range
from shared.vector_store.redis_store.keys import Command

_SCAN_UP_TO = 5_000  # chunks: under two milliseconds
_GATHER_UP_TO = 1_000  # chunks: a megabyte and a half
_SCANNED_PER_EFFORT = 60  # elements that a scan looks at in the time that a filtered walk needs for one
_EFFORT_PER_MATCH = 20  # visited nodes that each match among them needs for a recall of .99
_MIN_EFFORT, _MAX_EFFORT = 1_000, 20_000


class Way(StrEnum):
    GATHER = "gather"
    SCAN = "scan"
    GRAPH = "graph"


@dataclass(frozen=True, slots=True)
class Plan:
    """``effort``: how many nodes a filtered walk may visit."""

    way: Way
    effort: int = 0


def count_commands(tag: str, where: SearchFilter | None) -> list[Command]:
    """What ``choose`` needs to know."""
    commands: list[Command] = [("VCARD", f"{tag}:v")]
    if where is not None:
        since, until = _bounds(where)
        commands += [
            ("ZCARD", f"{tag}:age"),
            ("ZCOUNT", f"{tag}:age", since, until),
            ("HMGET", f"{tag}:counts", *(field for fields in _fields(where) for field in fields)),
        ]
    return commands


def choose(where: SearchFilter | None, replies: Sequence[Any]) -> Plan:
    chunks: int = replies[0]
    if where is None:
        return Plan(Way.SCAN if chunks <= _SCAN_UP_TO else Way.GRAPH)
    documents, in_range, counts = replies[1:]
    if (where.since or where.until) and in_range <= _GATHER_UP_TO:
        return Plan(Way.GATHER)
    if chunks <= _SCAN_UP_TO:
        return Plan(Way.SCAN)
    share = in_range / max(documents, 1)
    for column, fields in zip("wnsb", _fields(where), strict=True):
        found = sum(int(counts.pop(0) or 0) for _ in fields)
        if column == "b":
            share *= 1 - found / chunks if where.exclude_bots else 1
        elif fields != _NONE:
            share *= found / chunks
    effort = round(_EFFORT_PER_MATCH / max(share, 1e-6))
    effort = min(max(effort, _MIN_EFFORT), _MAX_EFFORT)
    return Plan(Way.SCAN if chunks <= _SCANNED_PER_EFFORT * effort else Way.GRAPH, effort)


def gather_bounds(where: SearchFilter) -> tuple[str, str, int]:
    """Arguments of the function ``gather``."""
    return (*_bounds(where), _GATHER_UP_TO)


def _bounds(where: SearchFilter) -> tuple[str, str]:
    since, until = time_range(where)
    return "-inf" if since is None else str(since), "+inf" if until is None else str(until)


_NONE = ["-"]


def _fields(where: SearchFilter) -> list[list[str]]:
    """Of the hash of counts: for wikis, namespaces, sources and bots; a field that never is where the
    filter leaves that open."""
    return [
        [f"w{label(wiki)}" for wiki in where.wikis] or _NONE,
        [f"n{namespace}" for namespace in where.namespaces] or _NONE,
        [f"s{label(source)}" for source in where.sources] or _NONE,
        ["b1"],
    ]
