"""Forgetting, in the background: old documents, too many chunks, tombstones that nothing can need."""

from __future__ import annotations

import logging
import random
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta

from shared.errors import StoreUnavailable
from shared.observability.metrics import ProcessorMetrics
from shared.ports import VectorStore

log = logging.getLogger(__name__)

_CLOSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """``None`` is without limit. ``interval`` in seconds, give or take a quarter, so that several
    processes do not do it at the same moment; it would do no harm."""

    max_age: timedelta | None
    max_chunks: int | None
    tombstone_age: timedelta
    interval: float = 60.0


class Retention:
    def __init__(
        self, store: VectorStore, metrics: ProcessorMetrics, policy: RetentionPolicy, rng: random.Random
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._policy = policy
        self._rng = rng
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="retention")
        self._running: Future[None] | None = None

    def start(self) -> None:
        self._running = self._thread.submit(self._run)

    def check(self) -> None:
        """:raises RagError: what ended it."""
        if self._running is not None and self._running.done():
            self._running.result()

    def close(self) -> None:
        """A purge under way ends with the store."""
        self._stop.set()
        if self._running is not None:
            wait([self._running], _CLOSE_SECONDS)
        self._thread.shutdown(wait=False)

    def _run(self) -> None:
        while not self._stop.wait(self._policy.interval * self._rng.uniform(0.75, 1.25)):
            try:
                self.turn()
            except StoreUnavailable as error:
                log.warning("retention waits for the store", extra={"error": str(error)})

    def turn(self) -> None:
        """:raises StoreUnavailable: some or none of it is done; what is left is done by the next turn."""
        policy = self._policy
        if policy.max_age is not None or policy.max_chunks is not None:
            self._count("purged", self._store.purge(policy.max_age, policy.max_chunks))
        self._count("tombstones", self._store.expire_tombstones(policy.tombstone_age))

    def _count(self, kind: str, number: int) -> None:
        self._metrics.retention_removed.labels(kind).inc(number)
        if number:
            log.info("retention", extra={"kind": kind, "removed": number})
