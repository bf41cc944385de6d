"""Calls of the store, measured, and what the store tells of itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from shared.domain import Chunk, Document, StoreFootprint, Version, WriteOutcome
from shared.errors import StoreUnavailable, WritesLost
from shared.observability.measured_store import MeasuredStore
from shared.observability.metrics import STORE_OPERATIONS, StoreMetrics
from shared.observability.store_gauges import refresh_store_gauges
from shared.ports import EmbeddedDocument, VectorStore
from shared.vector_store.memory_store import MemoryStore
from tests.support.exposition import families, openmetrics

NOW = datetime(2026, 11, 23, tzinfo=UTC)
AXIS = np.array([1, 0], dtype=np.float32)
DOCUMENT = Document("a", "test", "A", "A text.", "", 1, NOW)
CALLS: dict[str, Callable[[VectorStore], object]] = {
    "replace": lambda store: store.replace(
        [EmbeddedDocument(DOCUMENT, (Chunk("a", 0, "A text.", "h"),), (AXIS,))]
    ),
    "flush": lambda store: store.flush(),
    "content_hashes": lambda store: store.content_hashes(["a"]),
    "get_many": lambda store: list(store.get_many(["a"])),
    "embeddings": lambda store: {name: rows.tolist() for name, rows in store.embeddings(["a"]).items()},
    "search": lambda store: [hit.document_id for hit in store.search(AXIS, 1)],
    "nearest": lambda store: [match.document_id for match in store.nearest(AXIS, 1)],
    "changes": lambda store: [change.document_id for change in store.changes(None, 10).changes],
    "stats": lambda store: store.stats().documents,
    "footprint": lambda store: store.footprint(),
    "delete": lambda store: store.delete("a", Version(2, NOW)),
    "purge": lambda store: store.purge(None, 0),
    "expire_tombstones": lambda store: store.expire_tombstones(timedelta(days=1)),
}
calls = pytest.mark.parametrize("operation", CALLS)


class Bench:
    def __init__(self, store: VectorStore | None = None) -> None:
        self.registry = CollectorRegistry()
        self.metrics = StoreMetrics(self.registry)
        self.behind = store or MemoryStore(dimension=2)
        self.store = MeasuredStore(self.behind, self.metrics, "memory")

    def calls(self, operation: str) -> float | None:
        labels = {"db_system_name": "memory", "db_operation_name": operation}
        return self.registry.get_sample_value("db_client_operation_duration_seconds_count", labels)

    def errors(self, operation: str) -> float | None:
        return self.registry.get_sample_value("rag_store_errors_total", {"db_operation_name": operation})

    def gauge(self, name: str) -> float | None:
        return self.registry.get_sample_value(name)


def test_every_method_of_the_port_is_measured() -> None:
    methods = {name for name in vars(VectorStore) if not name.startswith("_")}
    assert CALLS.keys() | {"close"} == methods
    assert set(STORE_OPERATIONS) == CALLS.keys()


def test_it_is_the_store_behind_it() -> None:
    bench, plain = Bench(), MemoryStore(dimension=2)
    assert [call(bench.store) for call in CALLS.values()] == [call(plain) for call in CALLS.values()]
    assert [bench.calls(operation) for operation in CALLS] == [1] * len(CALLS)
    assert [bench.errors(operation) for operation in CALLS] == [0] * len(CALLS)
    bench.store.close()
    with pytest.raises(StoreUnavailable):
        bench.behind.stats()


@calls
def test_a_call_that_fails_is_an_error_and_no_duration(operation: str) -> None:
    bench = Bench()
    bench.behind.close()
    with pytest.raises(StoreUnavailable):
        CALLS[operation](bench.store)
    assert (bench.calls(operation), bench.errors(operation)) == (0, 1)


def test_writes_that_were_lost_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> None:
        raise WritesLost("failover")

    bench = Bench()
    monkeypatch.setattr(bench.behind, "flush", lost)
    with pytest.raises(WritesLost):
        bench.store.flush()
    assert bench.errors("flush") == 1


def test_a_bug_is_not_the_stores_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    with pytest.raises(ValueError, match="top_k"):
        bench.store.search(AXIS, -1)
    assert (bench.calls("search"), bench.errors("search")) == (0, 0)


class LimitedStore(MemoryStore):
    limit: int | None = 1_000

    def footprint(self) -> StoreFootprint:
        return StoreFootprint(super().footprint().used_bytes, self.limit)


def test_the_gauges_say_what_the_store_holds_and_may_hold() -> None:
    store = LimitedStore(dimension=2)
    bench = Bench(store)
    refresh_store_gauges(bench.store, bench.metrics)
    assert bench.gauge("rag_index_documents") == 0
    assert bench.gauge("rag_index_as_of_timestamp_seconds") is None, "an empty store has no newest event"
    assert CALLS["replace"](bench.store) == [WriteOutcome.APPLIED]
    refresh_store_gauges(bench.store, bench.metrics)
    assert bench.gauge("rag_store_up") == 1
    assert bench.gauge("rag_index_documents") == bench.gauge("rag_index_chunks") == 1
    assert bench.gauge("rag_index_as_of_timestamp_seconds") == NOW.timestamp()
    assert bench.gauge("rag_store_used_bytes") == len("A text.") + AXIS.nbytes
    assert bench.gauge("rag_store_limit_bytes") == 1_000
    store.limit = None
    refresh_store_gauges(bench.store, bench.metrics)
    assert bench.gauge("rag_store_limit_bytes") is None


def test_while_it_is_away_only_that_is_known() -> None:
    bench = Bench()
    CALLS["replace"](bench.store)
    refresh_store_gauges(bench.store, bench.metrics)
    bench.behind.close()
    with pytest.raises(StoreUnavailable):
        refresh_store_gauges(bench.store, bench.metrics)
    assert bench.gauge("rag_store_up") == 0
    absent = {"rag_store_used_bytes", "rag_store_limit_bytes", "rag_index_last_write_timestamp_seconds"}
    absent |= {"rag_index_documents", "rag_index_chunks", "rag_index_tombstones"}
    absent |= {"rag_index_as_of_timestamp_seconds"}
    assert not absent & families(openmetrics(bench.registry)).keys()
