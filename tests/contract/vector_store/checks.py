"""What the stores' tests ask again and again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from shared.domain import Change, SearchFilter, WriteOutcome
from shared.ports import VectorStore
from tests.contract.vector_store.builders import axis

APPLIED, DUPLICATE, STALE = WriteOutcome.APPLIED, WriteOutcome.DUPLICATE, WriteOutcome.STALE
UNRESOLVED = WriteOutcome.UNRESOLVED

PartOf = Callable[[str], int]
"""Document id to the part of the store whose feed it stands in: order is promised within a part only."""


def found(store: VectorStore, top_k: int = 100, where: SearchFilter | None = None) -> list[str]:
    """Chunk ids, most similar to axis 0 first."""
    return [hit.chunk_id for hit in store.search(axis(0), top_k, where)]


def texts(store: VectorStore) -> set[str]:
    return {hit.text for hit in store.search(axis(0), 100)}


def whole_feed(store: VectorStore, after: str | None = None, limit: int = 100) -> list[Change]:
    """Every change after the cursor, read page by page."""
    changes: list[Change] = []
    while (page := store.changes(after, limit)).changes:
        assert len(page.changes) <= limit
        changes += page.changes
        after = page.cursor
    return changes


def ids_of(changes: Iterable[Change]) -> list[str]:
    return [change.document_id for change in changes]


def in_parts(document_ids: Iterable[str], part_of: PartOf) -> dict[int, list[str]]:
    """The ids of each part, in order: what two feeds must agree in."""
    parts: dict[int, list[str]] = defaultdict(list)
    for document_id in document_ids:
        parts[part_of(document_id)].append(document_id)
    return dict(parts)
