"""Enrich and send: several threads, and one of them for each document, so that its events stay in order."""

from __future__ import annotations

import logging
import queue
import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.trace import SpanKind

from services.producer.changes import Change, DropReason
from services.producer.cursor import Ticket
from services.producer.enrichment.enricher import Abandoned, Enricher
from services.producer.sender import Sender
from services.producer.supervised_thread import mark_turn
from shared.domain import Version
from shared.events import DocumentEvent
from shared.observability import semconv

log = logging.getLogger(__name__)
tracer = trace.get_tracer(__name__)

_TURN_SECONDS = 0.5
_VERSIONS_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Job:
    change: Change
    raw: bytes
    ticket: Ticket


class SentVersions:
    """The newest version sent of each of the last documents."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._versions: OrderedDict[str, Version] = OrderedDict()

    def supersedes(self, document_id: str, version: Version) -> bool:
        sent = self._versions.get(document_id)
        return sent is not None and version <= sent

    def add(self, document_id: str, version: Version) -> None:
        self._versions[document_id] = version
        self._versions.move_to_end(document_id)
        if len(self._versions) > self._capacity:
            self._versions.popitem(last=False)


class Worker:
    """One thread's work. ``abandon`` ends it at once; ``finish`` after what is queued."""

    def __init__(
        self,
        enricher: Enricher | None,
        sender: Sender,
        source: str,
        queue_size: int,
        abandon: threading.Event,
    ) -> None:
        self._enricher = enricher
        self._sender = sender
        self._source = source
        self._jobs: queue.Queue[Job | None] = queue.Queue(queue_size)
        self._abandon = abandon
        self._sent = SentVersions(_VERSIONS_KEPT)

    def put(self, job: Job | None, timeout: float) -> bool:
        """Whether there was room within ``timeout`` seconds. ``None`` is the last job."""
        try:
            self._jobs.put(job, timeout=timeout)
        except queue.Full:
            return False
        return True

    def run(self) -> None:
        while not self._abandon.is_set():
            mark_turn()
            try:
                job = self._jobs.get(timeout=_TURN_SECONDS)
            except queue.Empty:
                continue
            if job is None:
                return
            try:
                self._handle(job)
            except Abandoned:
                return

    def _handle(self, job: Job) -> None:
        document = job.change.event.document
        if self._sent.supersedes(document.document_id, document.version):
            # An earlier event already brought the page's newest text and version.
            self._sender.drop(DropReason.NO_EFFECT, job.ticket)
            return
        with tracer.start_as_current_span(
            f"fetch {self._source}",
            attributes={
                semconv.DOCUMENT_ID: document.document_id,
                semconv.RAG_REVISION: document.revision,
                semconv.MESSAGING_MESSAGE_ID: job.change.event.event_id,
            },
        ) as span:
            event = self._enrich(job.change)
            if event is None:
                span.set_attribute(semconv.RAG_DROP_REASON, DropReason.PAGE_GONE.value)
                self._sender.drop(DropReason.PAGE_GONE, job.ticket)
                return
            self._sender.send(event, job.raw, job.ticket)
            self._sent.add(document.document_id, event.document.version)
            log.debug("sent", extra={"document_id": document.document_id, "op": event.op.value})

    def _enrich(self, change: Change) -> DocumentEvent | None:
        if self._enricher is None:
            return change.event
        with tracer.start_as_current_span("enrich", kind=SpanKind.CLIENT):
            return self._enricher.enrich(change)


class WorkerPool:
    """Bounded: ``submit`` waits while the worker's queue is full."""

    def __init__(self, workers: list[Worker]) -> None:
        self._workers = workers

    def submit(self, job: Job, stop: threading.Event) -> bool:
        """Whether it was accepted before ``stop``."""
        worker = self._workers[worker_index(job.change.event.document.document_id, len(self._workers))]
        while not worker.put(job, _TURN_SECONDS):
            mark_turn()
            if stop.is_set():
                return False
        return True

    def finish(self, abandon: threading.Event) -> None:
        """Let each worker end after what it has queued."""
        for worker in self._workers:
            while not abandon.is_set() and not worker.put(None, _TURN_SECONDS):
                pass


def worker_index(document_id: str, workers: int) -> int:
    """The same for the same document, always."""
    return zlib.crc32(document_id.encode()) % workers
