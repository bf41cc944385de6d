"""The same random history in the reference store and in the FAISS store ends in the same answers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shared.domain import SearchFilter
from shared.errors import CursorExpired
from shared.ports import EmbeddedDocument, VectorStore
from shared.vector_store.faiss_store.store import FaissStore
from shared.vector_store.memory_store import MemoryStore
from tests.contract.vector_store.builders import DIMENSION, ManualClock, at, embedded, version

_POINTS = np.random.default_rng(20261122).standard_normal((6, DIMENSION)).astype(np.float32)
_POINTS /= np.linalg.norm(_POINTS, axis=1, keepdims=True)

ids = st.sampled_from(["a", "b#1", "c/ö", "d"])
revisions = st.integers(1, 4)
seconds = st.integers(0, 4)
points = st.integers(0, len(_POINTS) - 1)


@st.composite
def items(draw: st.DrawFn) -> EmbeddedDocument:
    """Hash ``p3`` stands for point 3, so that reuse means the same as embedding again."""
    numbers = draw(st.lists(points, max_size=3))
    reused = draw(st.lists(st.booleans(), min_size=len(numbers), max_size=len(numbers)))
    item = embedded(
        draw(ids),
        draw(revisions),
        draw(seconds),
        vectors=[None if reuse else _POINTS[number] for number, reuse in zip(numbers, reused, strict=True)],
        hashes=[f"p{number}" for number in numbers] or ["p0"],
        source=draw(st.sampled_from(["wikimedia", "api"])),
        wiki=draw(st.sampled_from(["enwiki", "dewiki"])),
        namespace=draw(st.integers(0, 1)),
        bot=draw(st.booleans()),
    )
    return item if numbers else EmbeddedDocument(item.document, (), ())


filters = st.none() | st.builds(
    SearchFilter,
    wikis=st.frozensets(st.sampled_from(["enwiki", "dewiki"]), max_size=1),
    namespaces=st.frozensets(st.integers(0, 2), max_size=2),
    sources=st.frozensets(st.sampled_from(["wikimedia", "api"]), max_size=1),
    exclude_bots=st.booleans(),
    since=st.none() | seconds.map(at),
    until=st.none() | seconds.map(at),
)

Result = TypeVar("Result")


class SameHistory(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.file = Path(self.folder.name) / "store.sqlite"
        self.clock = ManualClock()
        self.memory = MemoryStore(DIMENSION, self.clock)
        self.faiss = self.opened()
        self.cursors: tuple[str | None, str | None] = (None, None)

    def opened(self) -> FaissStore:
        return FaissStore(self.file, embedder_name="test", dimension=DIMENSION, clock=self.clock)

    def both(self, call: Callable[[VectorStore], Result]) -> Result:
        expected, actual = call(self.memory), call(self.faiss)
        assert actual == expected
        return expected

    @rule(batch=st.lists(items(), min_size=1, max_size=4))
    def replace(self, batch: list[EmbeddedDocument]) -> None:
        self.both(lambda store: store.replace(batch))

    @rule(document_id=ids, revision=revisions, second=seconds)
    def delete(self, document_id: str, revision: int, second: int) -> None:
        self.both(lambda store: store.delete(document_id, version(revision, second)))

    @rule(max_age=st.none() | st.integers(0, 5), max_chunks=st.none() | st.integers(0, 6))
    def purge(self, max_age: int | None, max_chunks: int | None) -> None:
        age = None if max_age is None else self.clock.now() - at(max_age)
        self.both(lambda store: store.purge(age, max_chunks))

    @rule(age=st.integers(0, 4_000))
    def expire(self, age: int) -> None:
        self.both(lambda store: store.expire_tombstones(timedelta(milliseconds=age)))

    @rule(milliseconds=st.integers(1, 5_000))
    def wait(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds=milliseconds)

    @rule(point=points, top_k=st.integers(1, 12), where=filters)
    def search(self, point: int, top_k: int, where: SearchFilter | None) -> None:
        self.both(lambda store: store.search(_POINTS[point], top_k, where))

    @rule(limit=st.integers(1, 4))
    def follow(self, limit: int) -> None:
        try:
            memory = self.memory.changes(self.cursors[0], limit)
        except CursorExpired:
            with pytest.raises(CursorExpired):
                self.faiss.changes(self.cursors[1], limit)
            self.cursors = (None, None)
            return
        faiss = self.faiss.changes(self.cursors[1], limit)
        assert faiss.changes == memory.changes
        self.cursors = (memory.cursor, faiss.cursor)

    @rule()
    def reopen(self) -> None:
        self.faiss.close()
        self.faiss = self.opened()

    @invariant()
    def same(self) -> None:
        self.both(lambda store: store.stats())
        self.both(lambda store: store.changes(None, 100).changes)
        for document_id in ("a", "b#1", "c/ö", "d"):
            self.both(lambda store, wanted=document_id: store.get(wanted))
        self.both(lambda store: store.content_hashes(["a", "b#1", "c/ö", "d", "e"]))
        self.both(lambda store: store.search(_POINTS[0], 50))

    def teardown(self) -> None:
        self.faiss.close()
        self.folder.cleanup()


TestSameHistory = SameHistory.TestCase
TestSameHistory.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=timedelta(seconds=5),
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
