"""One run of the pipeline: read → enrich → send, with the cursor saved as records are acknowledged."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from services.producer.cursor import DeliveryTracker
from services.producer.cursor_file import CursorFile
from services.producer.loss_watch import LossWatch
from services.producer.reader import Reader
from services.producer.sender import Sender
from services.producer.sources.event_stream import EventStream
from services.producer.supervised_thread import SupervisedThread
from services.producer.workers import Worker, WorkerPool
from shared.errors import BrokerUnavailable, RecordsLost
from shared.ports import Producer

log = logging.getLogger(__name__)

_TURN_SECONDS = 0.2
_SAVE_SECONDS = 1.0
_DRAIN_SECONDS = 8.0
_FLUSH_SECONDS = 8.0
_JOIN_SECONDS = 2.0
_STUCK_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run is made of; built anew for each run. ``abandon`` ends the workers at once."""

    stream: EventStream
    tracker: DeliveryTracker
    sender: Sender
    workers: list[Worker]
    pool: WorkerPool
    reader: Reader
    watch: LossWatch
    halt: threading.Event
    abandon: threading.Event


class Pipeline:
    def __init__(
        self, parts: Parts, producer: Producer, cursor: CursorFile, beat: Callable[[], None]
    ) -> None:
        self._parts = parts
        self._producer = producer
        self._cursor = cursor
        self._beat = beat
        self._save_failed = False
        self._stuck: list[str] = []
        self._reader = SupervisedThread("reader", parts.reader.run)
        self._workers = [
            SupervisedThread(f"worker-{number}", worker.run) for number, worker in enumerate(parts.workers)
        ]
        self._watch = SupervisedThread("loss-watch", parts.watch.run)

    def run(self, stop: threading.Event) -> None:
        """Until ``stop``; then read no more, drain, flush and save the cursor.

        :raises BrokerUnavailable: records were not acknowledged; the cursor stands before them.
        :raises RecordsLost: some that the cursor has passed are gone; only its rewind brings them back.
        """
        threads = (*self._workers, self._reader, self._watch)
        for thread in threads:
            thread.start()
        try:
            self._supervise(stop)
            self._drain()
        finally:
            self._parts.halt.set()
            self._parts.abandon.set()
            self._parts.stream.interrupt()
            for thread in threads:
                thread.join(_JOIN_SECONDS)
            self._save()

    def _supervise(self, stop: threading.Event) -> None:
        next_save = time.monotonic() + _SAVE_SECONDS
        while not stop.wait(_TURN_SECONDS):
            for thread in (self._reader, *self._workers, self._watch):
                thread.check()
            self._raise_loss()
            self._raise_failure()
            self._beat_unless_stuck()
            if time.monotonic() >= next_save:
                self._save()
                next_save = time.monotonic() + _SAVE_SECONDS

    def _beat_unless_stuck(self) -> None:
        """This loop would turn on while the one that reads, or one that sends, hangs."""
        stuck = [thread.name for thread in (self._reader, *self._workers) if thread.is_stuck(_STUCK_SECONDS)]
        if not stuck:
            self._beat()
        elif stuck != self._stuck:
            log.error("threads do not go on", extra={"threads": stuck})
        self._stuck = stuck

    def _drain(self) -> None:
        """What is not drained in time is read again after the next start."""
        parts = self._parts
        parts.halt.set()
        parts.stream.interrupt()
        deadline = time.monotonic() + _DRAIN_SECONDS
        expiry = threading.Timer(_DRAIN_SECONDS, parts.abandon.set)
        expiry.daemon = True
        expiry.start()
        self._reader.join(_DRAIN_SECONDS)
        parts.pool.finish(parts.abandon)
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()) + _JOIN_SECONDS)
        expiry.cancel()
        expiry.join()
        unconfirmed = self._producer.flush(_FLUSH_SECONDS)
        self._raise_failure()
        if unconfirmed:
            raise BrokerUnavailable(f"stopped with {unconfirmed} records that the broker did not acknowledge")
        parts.tracker.wait_until_empty(_JOIN_SECONDS if not parts.abandon.is_set() else 0.0)
        log.info("drained", extra={"left_for_the_next_start": parts.tracker.outstanding})

    def _raise_failure(self) -> None:
        failure = self._parts.sender.failure
        if failure is not None:
            raise BrokerUnavailable(f"the broker did not take a record: {failure}") from failure

    def _raise_loss(self) -> None:
        """Not while stopping: the next start reads from the cursor anyway."""
        loss = self._parts.watch.memory.loss
        if loss is not None:
            raise RecordsLost(loss)

    def _save(self) -> None:
        """A cursor that cannot be saved means duplicates after a crash, never loss: say so, go on."""
        try:
            self._cursor.save(self._parts.tracker.position)
            self._save_failed = False
        except OSError as error:
            if not self._save_failed:
                log.error("the cursor cannot be saved", extra={"error": str(error)})
            self._save_failed = True
