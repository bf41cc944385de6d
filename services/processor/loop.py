"""The main thread: poll, hand over, commit, answer rebalances. It never waits for the model or the store
longer than a rebalance may take."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from services.processor.commits import Committer
from services.processor.offsets import Ledger
from services.processor.pipeline import Pipeline
from shared.errors import BrokerUnavailable, RetryableError, WritesLost
from shared.lifecycle import Heartbeat
from shared.observability.metrics import ProcessorMetrics
from shared.ports import Clock, Consumer, Record, TopicPartition
from shared.resilience.backoff import Backoff

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.25
_SILENCE_SECONDS = 2.0
_REPEAT_SECONDS = 30.0
_STUCK_SECONDS = 300.0
_CLOSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class LoopPolicy:
    """``max_bytes_in_flight`` bounds memory. ``give_up_seconds``: how long what is in the encoder may take
    to be written, flushed and committed when its partitions move or the process stops; well below what
    a broker grants a member."""

    max_bytes_in_flight: int = 33_554_432
    give_up_seconds: float = 5.0


class Loop:
    """``restore_broker`` brings back what a broker without memory has lost (the topics). ``chores`` are
    called once a turn, and must be quick."""

    def __init__(
        self,
        consumer: Consumer,
        pipeline: Pipeline,
        ledger: Ledger,
        committer: Committer,
        metrics: ProcessorMetrics,
        heartbeat: Heartbeat,
        clock: Clock,
        backoff: Backoff,
        policy: LoopPolicy,
        restore_broker: Callable[[], None],
        chores: Iterable[Callable[[], None]] = (),
    ) -> None:
        self._consumer = consumer
        self._pipeline = pipeline
        self._ledger = ledger
        self._committer = committer
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._clock = clock
        self._backoff = backoff
        self._policy = policy
        self._restore_broker = restore_broker
        self._chores = tuple(chores)
        self._last_poll = clock.monotonic()
        self._next_complaint = self._last_poll
        self._paused = False
        self._must_rewind = False
        consumer.on_revoke(self._give_up)
        consumer.on_lost(self._drop)

    def run(self, stop: threading.Event) -> None:
        """Until ``stop``; what is done by then is committed.

        :raises RagError: what ended a stage. Nothing is committed that was not flushed before.
        """
        self._pipeline.start()
        try:
            while not stop.is_set():
                self._turn(stop)
            self._give_up(None)
        finally:
            self._pipeline.close(_CLOSE_SECONDS)
            self._committer.close()

    @property
    def is_blocked(self) -> bool:
        """Nothing is taken in: a dependency is away, or there were too many dead letters."""
        return (
            self._must_rewind
            or self._pipeline.held
            or self._pipeline.halt is not None
            or self._committer.failed
        )

    def _turn(self, stop: threading.Event) -> None:
        self._beat()
        try:
            self._pipeline.check()
            self._committer.turn()
        except WritesLost as error:
            self._start_over(error)
        if self._must_rewind:
            self._rewind()
        records = self._poll(stop)
        if records:
            self._metrics.consumed.inc(len(records))
            self._pipeline.put(self._ledger.take(records))
        self._complain()
        for chore in self._chores:
            chore()

    def _beat(self) -> None:
        if not self._pipeline.is_stuck(_STUCK_SECONDS):
            self._heartbeat.beat()

    def _poll(self, stop: threading.Event) -> list[Record]:
        """What there is room for. While there is none, or nothing may be taken in, it polls now and then
        without receiving anything, so that the membership is kept and rebalances are answered."""
        blocked = self.is_blocked
        is_full = self._ledger.bytes_in_flight >= self._policy.max_bytes_in_flight
        room = 0 if blocked or is_full else self._pipeline.room()
        silent_for = self._clock.monotonic() - self._last_poll
        if not room and not blocked and silent_for < _SILENCE_SECONDS:
            self._pipeline.wait_for_change(_POLL_SECONDS)
            return []
        self._set_paused(not room)
        try:
            records = self._consumer.poll(max(room, 1), _POLL_SECONDS)
        except BrokerUnavailable as error:
            log.warning("the broker cannot serve the topic", extra={"error": str(error)})
            self._wait(stop)
            self._try_to_restore_broker()
            return []
        finally:
            self._last_poll = self._clock.monotonic()
        return records

    def _set_paused(self, paused: bool) -> None:
        if paused != self._paused:
            self._paused = paused
            (self._consumer.pause if paused else self._consumer.resume)()

    def _wait(self, stop: threading.Event) -> None:
        """The backoff's next delay, beating."""
        deadline = self._clock.monotonic() + self._backoff.next_delay()
        while (remaining := deadline - self._clock.monotonic()) > 0:
            if stop.wait(min(remaining, _POLL_SECONDS)):
                return
            self._beat()

    def _try_to_restore_broker(self) -> None:
        try:
            self._restore_broker()
        except RetryableError as error:
            log.warning("the broker is still away", extra={"error": str(error)})
        else:
            self._backoff.reset()

    def _give_up(self, partitions: Collection[TopicPartition] | None) -> None:
        """Finish what is in the encoder or being written, drop the rest, and commit what is done."""
        deadline = self._clock.monotonic() + self._policy.give_up_seconds
        self._ledger.abandon(partitions)
        self._pipeline.drop_abandoned()
        while self._pipeline.holds(partitions) and (left := deadline - self._clock.monotonic()) > 0:
            self._beat()
            self._pipeline.wait_until_released(partitions, min(left, _POLL_SECONDS))
        try:
            self._pipeline.check()
            left = max(0.0, deadline - self._clock.monotonic())
            self._committer.commit_now(partitions, left, self._beat)
        except WritesLost as error:
            self._start_over(error)
        self._committer.forget(partitions)

    def _drop(self, partitions: Collection[TopicPartition]) -> None:
        """They are another member's already."""
        self._committer.forget(partitions)
        self._pipeline.drop_abandoned()

    def _start_over(self, error: WritesLost) -> None:
        log.warning("the store lost writes; they are read and written again", extra={"error": str(error)})
        self._metrics.writes_lost.inc()
        self._committer.forget()
        self._pipeline.drop_abandoned()
        self._must_rewind = True

    def _rewind(self) -> None:
        self._set_paused(True)
        try:
            self._consumer.rewind()
        except BrokerUnavailable as error:
            log.warning("cannot go back yet", extra={"error": str(error)})
        else:
            self._must_rewind = False

    def _complain(self) -> None:
        halt = self._pipeline.halt
        if halt is not None and self._clock.monotonic() >= self._next_complaint:
            self._next_complaint = self._clock.monotonic() + _REPEAT_SECONDS
            self._metrics.dead_letter_halt.set(1)
            log.error(str(halt))
