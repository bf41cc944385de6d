from __future__ import annotations

from contextlib import closing

from prometheus_client import CollectorRegistry

from services.processor.monitor import Monitor
from shared.domain import StoreStats
from shared.errors import StoreUnavailable
from shared.messaging.memory_broker import MemoryBroker
from shared.observability.metrics import ProcessorMetrics
from shared.vector_store.memory_store import MemoryStore
from tests.contract.vector_store.builders import ManualClock


class StoreThatComesAndGoes(MemoryStore):
    is_away = True

    def stats(self) -> StoreStats:
        if self.is_away:
            raise StoreUnavailable("REDIS_URL=x: no answer")
        return super().stats()


def test_it_says_what_stands_in_the_way_and_blames_the_store_only_when_it_is_away() -> None:
    store, clock, blocked = StoreThatComesAndGoes(), ManualClock(), [True]
    with closing(MemoryBroker(2).consumer("group", ["documents"])) as consumer:
        metrics = ProcessorMetrics(CollectorRegistry())
        monitor = Monitor(consumer, store, metrics, clock, lambda: blocked[0])

        def said() -> str | None:
            monitor.report()
            clock.advance(minutes=1)
            return monitor.obstacle()

        assert monitor.obstacle() == "starting"
        assert said() == "the vector store is away"
        store.is_away = False
        assert (said() or "").startswith("nothing is taken in")
        blocked[0] = False
        assert said() == "no partition is assigned"
        consumer.poll(1, 0.0)
        assert said() is None
        store.is_away = True
        assert said() == "the vector store is away"
