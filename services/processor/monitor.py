"""What the processor tells of itself: lag, index size, readiness."""

from __future__ import annotations

import logging
from collections.abc import Callable

from shared.errors import StoreUnavailable
from shared.observability.metrics import ProcessorMetrics
from shared.observability.store_gauges import refresh_store_gauges
from shared.ports import Clock, Consumer, TopicPartition, VectorStore

log = logging.getLogger(__name__)

_LAG_SECONDS = 1.0
_STORE_SECONDS = 5.0


class Monitor:
    """``report`` belongs to the loop's thread; ``obstacle`` may be asked from any."""

    def __init__(
        self,
        consumer: Consumer,
        store: VectorStore,
        metrics: ProcessorMetrics,
        clock: Clock,
        is_blocked: Callable[[], bool],
    ) -> None:
        self._consumer = consumer
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._is_blocked = is_blocked
        self._next_lag = self._next_store = clock.monotonic()
        self._partitions: frozenset[TopicPartition] = frozenset()
        self._store_obstacle: str | None = "starting"
        metrics.blocked.set_function(lambda: float(is_blocked()))

    def obstacle(self) -> str | None:
        """Why it is not ready; ``None``: partitions are assigned, the store can be used, and records are
        taken in."""
        if self._store_obstacle is not None:
            return self._store_obstacle
        if self._is_blocked():
            return "nothing is taken in: a dependency is away, or there were too many dead letters"
        return None if self._partitions else "no partition is assigned"

    def report(self) -> None:
        """Refresh the gauges, each at its own pace."""
        now = self._clock.monotonic()
        if now >= self._next_lag:
            self._next_lag = now + _LAG_SECONDS
            self._report_lag()
        if now >= self._next_store:
            self._next_store = now + _STORE_SECONDS
            self._report_store()

    def _report_lag(self) -> None:
        lags = self._consumer.lag()
        for partition in self._partitions - lags.keys():
            self._metrics.lag.set(None, partition.topic, str(partition.partition))
        for partition, lag in lags.items():
            self._metrics.lag.set(lag, partition.topic, str(partition.partition))
        self._partitions = frozenset(lags)
        self._metrics.partitions.set(len(lags))

    def _report_store(self) -> None:
        try:
            refresh_store_gauges(self._store, self._metrics.store)
        except StoreUnavailable as error:
            self._store_obstacle = "the vector store is away"
            log.warning("the store is away", extra={"error": str(error)})
            return
        self._store_obstacle = None
