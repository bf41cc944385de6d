"""The reading thread: stream → normalised changes → workers."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

from services.producer.changes import DropReason
from services.producer.cursor import DeliveryTracker
from services.producer.dedupe import RecentlySeen
from services.producer.normalizer import Normalizer, event_id_of, event_time_of, parse_event
from services.producer.sender import Sender
from services.producer.sources.event_stream import EventStream, SourceEvent
from services.producer.supervised_thread import mark_turn
from services.producer.workers import Job, WorkerPool
from shared.errors import InvalidEvent
from shared.observability.metrics import ProducerMetrics

_TURN_SECONDS = 0.5
_IDS_KEPT = 100_000


class Reader:
    """Bounded by the tracker and by the workers' queues: while the broker is slow, nothing is read."""

    def __init__(
        self,
        stream: EventStream,
        normalizer: Normalizer,
        tracker: DeliveryTracker,
        pool: WorkerPool,
        sender: Sender,
        metrics: ProducerMetrics,
        max_event_bytes: int,
        stop: threading.Event,
    ) -> None:
        self._stream = stream
        self._normalizer = normalizer
        self._tracker = tracker
        self._pool = pool
        self._sender = sender
        self._metrics = metrics
        self._max_event_bytes = max_event_bytes
        self._stop = stop
        self._seen = RecentlySeen(_IDS_KEPT)
        self._newest = 0.0

    def run(self) -> None:
        for event in self._stream.events():
            mark_turn()
            if not self._wait_for_room() or not self._handle(event):
                return

    def _wait_for_room(self) -> bool:
        while not self._tracker.wait_for_room(_TURN_SECONDS):
            mark_turn()
            if self._stop.is_set():
                return False
        return not self._stop.is_set()

    def _handle(self, event: SourceEvent) -> bool:
        """Whether to go on."""
        self._metrics.events_received.inc()
        try:
            body = parse_event(event.data, self._max_event_bytes)
        except InvalidEvent as error:
            self._keep_invalid(event, hashlib.sha256(event.data).digest(), error)
            return True
        key = event_id_of(body) or hashlib.sha256(event.data).digest()
        if not self._is_new(key):
            return True
        self._note_time(body)
        try:
            result = self._normalizer.normalize(body)
        except InvalidEvent as error:
            self._sender.dead_letter(event.data, error, self._tracker.open(event.position))
            return True
        if isinstance(result, DropReason):
            self._sender.drop(result, self._tracker.open(event.position))
            return True
        ticket = self._tracker.open(event.position, parts=len(result))
        return all(self._pool.submit(Job(change, event.data, ticket), self._stop) for change in result)

    def _keep_invalid(self, event: SourceEvent, key: bytes, error: InvalidEvent) -> None:
        if self._is_new(key):
            self._sender.dead_letter(event.data, error, self._tracker.open(event.position))

    def _is_new(self, key: str | bytes) -> bool:
        if self._seen.add(key):
            self._stream.mark_progress()
            return True
        # Its position lies before what the cursor has reached already.
        self._sender.drop(DropReason.DUPLICATE, self._tracker.open(None))
        return False

    def _note_time(self, body: dict[str, Any]) -> None:
        moment = event_time_of(body)
        if moment is not None and moment.timestamp() > self._newest:
            self._newest = moment.timestamp()
            self._metrics.last_event_time.set(self._newest)
