from __future__ import annotations

import random
from contextlib import closing
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.processor.retention import Retention, RetentionPolicy
from shared.domain import Version
from shared.errors import StoreMismatch, StoreUnavailable
from shared.observability.metrics import ProcessorMetrics
from shared.vector_store.memory_store import MemoryStore
from tests.support.processes import wait_until
from tests.unit.services.processor.support import EPOCH

MONTH = timedelta(days=30)


class WatchedStore(MemoryStore):
    """Remembers calls, and raises ``failures`` one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[object, ...]] = []
        self.failures: list[Exception] = []

    def purge(self, max_age: timedelta | None, max_chunks: int | None) -> int:
        self.calls.append(("purge", max_age, max_chunks))
        return 3

    def expire_tombstones(self, older_than: timedelta) -> int:
        self.calls.append(("expire", older_than))
        if self.failures:
            raise self.failures.pop(0)
        return 2


@pytest.fixture
def store() -> WatchedStore:
    return WatchedStore()


def retention(store: MemoryStore, registry: CollectorRegistry, policy: RetentionPolicy) -> Retention:
    return Retention(store, ProcessorMetrics(registry), policy, random.Random(1))


def test_without_limits_only_tombstones_expire(store: WatchedStore) -> None:
    registry = CollectorRegistry()
    retention(store, registry, RetentionPolicy(None, None, MONTH)).turn()
    assert store.calls == [("expire", MONTH)]
    name = "rag_retention_removed_total"
    assert registry.get_sample_value(name, {"kind": "tombstones"}) == 2
    assert registry.get_sample_value(name, {"kind": "purged"}) == 0


def test_limits_are_the_stores(store: WatchedStore) -> None:
    registry = CollectorRegistry()
    retention(store, registry, RetentionPolicy(timedelta(days=1), 5, MONTH)).turn()
    assert store.calls == [("purge", timedelta(days=1), 5), ("expire", MONTH)]
    assert registry.get_sample_value("rag_retention_removed_total", {"kind": "purged"}) == 3


def test_it_goes_on_when_the_store_is_back(store: WatchedStore) -> None:
    store.failures = [StoreUnavailable("locked"), StoreUnavailable("locked")]
    running = retention(store, CollectorRegistry(), RetentionPolicy(None, None, MONTH, interval=0.001))
    with closing(running):
        running.start()
        wait_until(lambda: len(store.calls) > 3, 60, "more turns")
        running.check()


def test_what_no_retry_can_cure_reaches_the_loop(store: WatchedStore) -> None:
    store.failures = [StoreMismatch("rebuilt")]
    running = retention(store, CollectorRegistry(), RetentionPolicy(None, None, MONTH, interval=0.001))
    with closing(running):
        running.start()

        def failed() -> bool:
            try:
                running.check()
            except StoreMismatch:
                return True
            return False

        wait_until(failed, 60, "the failure")


def test_it_stops_while_it_waits(store: WatchedStore) -> None:
    running = retention(store, CollectorRegistry(), RetentionPolicy(None, None, MONTH, interval=3_600))
    running.start()
    thread = running._running
    assert thread is not None
    try:
        running.close()
        wait_until(thread.done, 30, "the end of its thread")
    finally:
        running._stop.set()  # or else nothing would ever end it
    assert store.calls == []


def test_a_tombstone_of_a_real_store_expires() -> None:
    store = MemoryStore()
    store.delete("a", Version(1, EPOCH))
    running = retention(store, CollectorRegistry(), RetentionPolicy(None, None, timedelta(0), interval=0.001))
    with closing(running):
        running.start()
        wait_until(lambda: store.stats().tombstones == 0, 60, "expiry")
