from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.api.store_to_come import StoreToCome
from shared.domain import Chunk, Document, Version, WriteOutcome
from shared.errors import StoreUnavailable
from shared.ports import EmbeddedDocument, VectorStore
from shared.vector_store.memory_store import MemoryStore

NOW = datetime(2026, 11, 23, tzinfo=UTC)
AXIS = np.array([1, 0], dtype=np.float32)
DOCUMENT = Document(
    document_id="a", source="test", title="A", text="A text.", url="", revision=1, updated_at=NOW
)
CALLS: dict[str, Callable[[VectorStore], object]] = {
    "replace": lambda store: store.replace(
        [EmbeddedDocument(DOCUMENT, (Chunk("a", 0, "A text.", "h"),), (AXIS,))]
    ),
    "flush": lambda store: store.flush(),
    "content_hashes": lambda store: store.content_hashes(["a"]),
    "get_many": lambda store: list(store.get_many(["a"])),
    "embeddings": lambda store: {name: rows.tolist() for name, rows in store.embeddings(["a"]).items()},
    "search": lambda store: [hit.document_id for hit in store.search(AXIS, 1)],
    "nearest": lambda store: [match.chunk_id for match in store.nearest(AXIS, 1)],
    "changes": lambda store: [change.document_id for change in store.changes(None, 10).changes],
    "stats": lambda store: store.stats().documents,
    "footprint": lambda store: store.footprint().used_bytes,
    "delete": lambda store: store.delete("a", Version(2, NOW)),
    "purge": lambda store: store.purge(None, 0),
    "expire_tombstones": lambda store: store.expire_tombstones(timedelta(days=1)),
}


def test_every_method_of_the_port_is_tried_here() -> None:
    methods = {name for name in vars(VectorStore) if not name.startswith("_")}
    assert CALLS.keys() | {"close"} == methods


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_it_is_away_until_it_arrives(call: Callable[[VectorStore], object]) -> None:
    store = StoreToCome()
    with pytest.raises(StoreUnavailable):
        call(store)
    store.close()


def test_then_it_is_the_store_itself() -> None:
    behind, store = MemoryStore(dimension=2), StoreToCome()
    store.arrive(behind)
    assert {name: call(store) for name, call in CALLS.items()} == {
        "replace": [WriteOutcome.APPLIED],
        "flush": None,
        "content_hashes": {"a": frozenset({"h"})},
        "get_many": ["a"],
        "embeddings": {"a": [[1.0, 0.0]]},
        "search": ["a"],
        "nearest": ["a#0"],
        "changes": ["a"],
        "stats": 1,
        "footprint": len("A text.") + AXIS.nbytes,
        "delete": WriteOutcome.APPLIED,
        "purge": 0,
        "expire_tombstones": 0,
    }
    assert behind.stats().tombstones == 1
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        behind.stats()
