"""Batches → the store and the dead letter topic; then count."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence

from services.processor.batch import Batch
from services.processor.burial import Burial
from services.processor.encoder import Encoder
from services.processor.spans import note_writes
from services.processor.work import Work
from shared.domain import WriteOutcome
from shared.observability.exemplars import exemplar_of
from shared.observability.metrics import INGEST_RESULTS, SOURCES, ProcessorMetrics, known_source
from shared.ports import Clock, VectorStore


class Writer:
    def __init__(
        self,
        store: VectorStore,
        encoder: Encoder,
        burial: Burial,
        metrics: ProcessorMetrics,
        clock: Clock,
        store_kind: str = "memory",
    ) -> None:
        """``store_kind``: as spans name it."""
        self._store = store
        self._encoder = encoder
        self._burial = burial
        self._metrics = metrics
        self._clock = clock
        self._freshness = {source: metrics.freshness.labels(source) for source in SOURCES}
        self._store_kind = store_kind
        self._results = {result: metrics.documents.labels(result) for result in INGEST_RESULTS}

    def write(self, batch: Batch) -> None:
        """Empty the batch; what is done is visible to every search.

        :raises RetryableError: a dependency is away; call with the same batch again later.
        """
        self._replace(batch)
        while batch.deletes:
            work = batch.deletes[0]
            started = time.time_ns()
            outcome = self._store.delete(work.document_id, work.event.document.version)
            self._written([(work, outcome)], started)
            del batch.deletes[0]
        while batch.poison:
            buried = self._burial.bury(batch.poison)
            self._results["invalid"].inc(buried)

    def _replace(self, batch: Batch) -> None:
        while batch.upserts:
            started = time.time_ns()
            outcomes = self._store.replace(batch.embedded)
            answered = list(zip(batch.upserts, outcomes, strict=True))
            self._written([item for item in answered if item[1] is not WriteOutcome.UNRESOLVED], started)
            batch.upserts = [work for work, outcome in answered if outcome is WriteOutcome.UNRESOLVED]
            for work in batch.upserts:
                work.known = frozenset()
            embedded = self._encoder.embed(batch.upserts)
            if embedded is None:
                batch.upserts = []
            batch.embedded = embedded or []

    def _written(self, answers: Sequence[tuple[Work, WriteOutcome]], started: int) -> None:
        note_writes(answers, self._store_kind, started)
        now = self._clock.now()
        results: Counter[str] = Counter()
        for work, outcome in answers:
            work.ticket.done = True
            if outcome is not WriteOutcome.APPLIED:
                results[outcome] += 1
                continue
            results["deleted" if work.is_delete else "indexed"] += 1
            source = known_source(work.event.document.source)
            age = (now - work.event.occurred_at).total_seconds()
            self._freshness[source].observe(max(0.0, age), exemplar_of(work.ticket.record.headers))
            self._metrics.last_indexed.set(now.timestamp(), source)
        for result, number in results.items():
            self._results[result].inc(number)

    def count(self, outcomes: Iterable[WriteOutcome]) -> None:
        """Of records that need no write."""
        for outcome in outcomes:
            self._results[outcome].inc()
