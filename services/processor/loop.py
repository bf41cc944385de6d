"""Poll, process, commit; while a dependency is away, wait without losing the membership."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from services.processor.batch import Batch, plan
from services.processor.monitor import Monitor
from services.processor.offsets import OffsetCommitter
from services.processor.pipeline import Pipeline
from services.processor.spans import batch_span
from shared.errors import BrokerUnavailable, RetryableError
from shared.lifecycle import Heartbeat
from shared.observability.metrics import ProcessorMetrics
from shared.ports import Clock, Consumer, Record
from shared.resilience.backoff import Backoff

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.25
_SILENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LoopPolicy:
    batch_max_records: int
    max_event_bytes: int
    commit_interval: float = 1.0
    """Seconds; a crash repeats the work of at most about this time."""


class _Stopped(Exception):
    """``stop`` came in the middle of long work. What is not written will be delivered again."""


class Loop:
    """``restore_broker`` brings back what a broker without memory has lost (the topics)."""

    def __init__(
        self,
        consumer: Consumer,
        pipeline: Pipeline,
        monitor: Monitor,
        metrics: ProcessorMetrics,
        heartbeat: Heartbeat,
        clock: Clock,
        backoff: Backoff,
        policy: LoopPolicy,
        restore_broker: Callable[[], None],
    ) -> None:
        self._consumer = consumer
        self._pipeline = pipeline
        self._monitor = monitor
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._clock = clock
        self._backoff = backoff
        self._policy = policy
        self._restore_broker = restore_broker
        self._offsets = OffsetCommitter(consumer, clock, policy.commit_interval)
        self._last_poll = clock.monotonic()
        self._paused = False
        consumer.on_revoke(self._offsets.give_up)

    def run(self, stop: threading.Event) -> None:
        """Until ``stop``; what is done by then is committed."""
        while not stop.is_set():
            records = self._poll(stop)
            if records:
                self._metrics.consumed.inc(len(records))
                with batch_span(records):
                    self._process(records, stop)
            self._offsets.commit_if_due()
            self._monitor.report()
        self._offsets.commit()

    def _poll(self, stop: threading.Event) -> list[Record]:
        self._heartbeat.beat()
        try:
            records = self._consumer.poll(self._policy.batch_max_records, _POLL_SECONDS)
            self._last_poll = self._clock.monotonic()
        except BrokerUnavailable as error:
            log.warning("the broker cannot serve the topic", extra={"error": str(error)})
            self._wait(stop)
            self._try_to_restore_broker()
            return []
        return records

    def _try_to_restore_broker(self) -> None:
        try:
            self._restore_broker()
        except RetryableError as error:
            log.warning("the broker is still away", extra={"error": str(error)})
        else:
            self._backoff.reset()

    def _process(self, records: list[Record], stop: threading.Event) -> None:
        batch = plan(records, self._policy.max_event_bytes)
        if self._finish(batch, stop):
            self._offsets.done(records)

    def _finish(self, batch: Batch, stop: threading.Event) -> bool:
        """Whether the whole batch is durable; false where ``stop`` came first."""
        try:
            while True:
                started = self._clock.monotonic()
                try:
                    self._pipeline.run(batch, lambda: self._keep_alive(stop))
                except RetryableError as error:
                    self._metrics.retries.inc()
                    log.warning("a dependency is away; the batch waits", extra={"error": str(error)})
                    self._monitor.store_failed(error)
                    self._pause()
                    if not self._wait(stop):
                        return False
                else:
                    self._backoff.reset()
                    self._metrics.batch_duration.observe(self._clock.monotonic() - started)
                    return True
        except _Stopped:
            return False
        finally:
            self._resume()

    def _wait(self, stop: threading.Event) -> bool:
        """The backoff's next delay, beating and polling; false where ``stop`` ended it."""
        deadline = self._clock.monotonic() + self._backoff.next_delay()
        while (remaining := deadline - self._clock.monotonic()) > 0:
            if stop.wait(min(remaining, _POLL_SECONDS)):
                return False
            self._heartbeat.beat()
            if self._paused:
                self._poll_paused()
        return not stop.is_set()

    def _keep_alive(self, stop: threading.Event) -> None:
        """Work goes on, but takes long: stay a member of the group."""
        if stop.is_set():
            raise _Stopped
        self._heartbeat.beat()
        if self._clock.monotonic() - self._last_poll > _SILENCE_SECONDS:
            self._pause()
            self._poll_paused()

    def _poll_paused(self) -> None:
        self._last_poll = self._clock.monotonic()
        try:
            self._consumer.poll(1, 0.0)
        except BrokerUnavailable as error:
            log.warning("the broker cannot serve the topic", extra={"error": str(error)})

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._consumer.pause()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._consumer.resume()
