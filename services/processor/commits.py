"""Flush the store, then commit: an offset never says more than what is durable."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor, wait

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Span

from services.processor.offsets import Ledger
from services.processor.spans import note_failure, start_commit_span
from shared.errors import BrokerUnavailable, RetryableError, WritesLost
from shared.observability.metrics import ProcessorMetrics
from shared.ports import Clock, Consumer, TopicPartition, VectorStore

log = logging.getLogger(__name__)


class Committer:
    """At most one flush at a time, on a thread of its own, so that neither the loop nor the writer waits.

    What fails is tried again an interval later; all that it can cost is work done twice.
    """

    def __init__(
        self,
        consumer: Consumer,
        store: VectorStore,
        ledger: Ledger,
        metrics: ProcessorMetrics,
        clock: Clock,
        interval: float,
    ) -> None:
        self._consumer = consumer
        self._store = store
        self._ledger = ledger
        self._duration = metrics.client.operation_duration.labels("commit")
        self._clock = clock
        self._interval = interval
        self._next_flush = clock.monotonic() + interval
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="flush")
        self._flushing: Future[None] | None = None
        self._offsets: dict[TopicPartition, int] = {}
        self._failed = False
        self._span: Span = INVALID_SPAN

    @property
    def failed(self) -> bool:
        """The last flush was refused: what is written is not durable yet."""
        return self._failed

    def turn(self) -> None:
        """Begin or end a flush where one is due; never waits for the store.

        :raises WritesLost: forget what is in flight and read it again.
        """
        if self._flushing is None:
            offsets = self._ledger.done()
            # Nothing is taken in after a refusal, so that it must end even with nothing left to commit.
            if (offsets or self._failed) and self._clock.monotonic() >= self._next_flush:
                self._begin(offsets)
        elif self._flushing.done():
            self._end()

    def commit_now(
        self, partitions: Collection[TopicPartition] | None, seconds: float, beat: Callable[[], None]
    ) -> None:
        """Commit what is done of the partitions (``None``: of all), if the store can be flushed in time.

        :raises WritesLost: nothing was committed.
        """
        deadline = time.monotonic() + seconds
        if self._flushing is not None and self._is_over(deadline, beat):
            self._end()
        offsets = self._ledger.done()
        if partitions is not None:
            offsets = {partition: offsets[partition] for partition in partitions if partition in offsets}
        if offsets and self._flushing is None:
            self._begin(offsets)
            if self._is_over(deadline, beat):
                self._end()

    def forget(self, partitions: Collection[TopicPartition] | None = None) -> None:
        """Do not commit them after the flush that may be under way."""
        self._ledger.forget(partitions)
        for partition in list(self._offsets) if partitions is None else partitions:
            self._offsets.pop(partition, None)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _begin(self, offsets: dict[TopicPartition, int]) -> None:
        self._offsets = offsets
        self._span = start_commit_span(offsets) if offsets else INVALID_SPAN
        self._flushing = self._thread.submit(self._store.flush)

    def _is_over(self, deadline: float, beat: Callable[[], None]) -> bool:
        assert self._flushing is not None
        while not self._flushing.done() and (remaining := deadline - time.monotonic()) > 0:
            beat()
            wait([self._flushing], min(remaining, 0.25))
        return self._flushing.done()

    def _end(self) -> None:
        with trace.use_span(self._span, end_on_exit=True):
            self._commit_flushed()

    def _commit_flushed(self) -> None:
        assert self._flushing is not None
        flushed, self._flushing = self._flushing, None
        offsets, self._offsets = self._offsets, {}
        self._next_flush = self._clock.monotonic() + self._interval
        try:
            flushed.result()
            self._failed = False
            if offsets:
                start = time.monotonic()
                self._consumer.commit(offsets)
                self._duration.observe(time.monotonic() - start)
                self._ledger.committed(offsets)
        except WritesLost:
            raise
        except BrokerUnavailable as error:
            note_failure(error)
            log.warning("not committed yet", extra={"error": str(error)})
        except RetryableError as error:
            self._failed = True
            note_failure(error)
            log.warning("not flushed yet", extra={"error": str(error)})
