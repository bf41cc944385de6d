"""Spans → an OTLP receiver, beside the work and never in its way."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Protocol

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from shared.observability.metrics import SpanLoss

log = logging.getLogger(__name__)

_COMPLAINT_SECONDS = 60.0
_LAST_REQUEST_SECONDS = 0.5


class SpanCounts(Protocol):
    """What became of spans; see ``TraceMetrics``."""

    def exported(self, number: int) -> None: ...

    def dropped(self, reason: SpanLoss, number: int) -> None: ...


class _Losses:
    """Counts what is dropped, and says so once a minute at most."""

    def __init__(self, counts: SpanCounts, url: str) -> None:
        self._counts = counts
        self._url = url
        self._lock = threading.Lock()
        self._untold = 0
        self._next_complaint = 0.0

    def add(self, reason: SpanLoss, number: int) -> None:
        self._counts.dropped(reason, number)
        with self._lock:
            self._untold += number
            if time.monotonic() < self._next_complaint:
                return
            self._next_complaint = time.monotonic() + _COMPLAINT_SECONDS
            untold, self._untold = self._untold, 0
        log.warning(
            "spans are dropped; look at the receiver that OTEL_EXPORTER_OTLP_ENDPOINT names",
            extra={"reason": reason, "spans": untold, "receiver": self._url},
        )


class _CountingExporter(SpanExporter):
    """Knows how many spans wait for it."""

    def __init__(self, exporter: SpanExporter, counts: SpanCounts, losses: _Losses) -> None:
        self._exporter = exporter
        self._counts = counts
        self._losses = losses
        self._lock = threading.Lock()
        self._waiting = 0
        self._under_way = 0
        self._abandoned = False

    def enter(self, most: int) -> bool:
        """Whether there is room for another one among at most ``most`` that wait."""
        with self._lock:
            if self._waiting >= most:
                return False
            self._waiting += 1
            return True

    def abandon(self) -> int:
        """Export nothing more, count nothing more; how many waited or were under way."""
        with self._lock:
            self._abandoned = True
            return self._waiting + self._under_way

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._lock:
            if self._abandoned:
                return SpanExportResult.FAILURE
            self._waiting -= len(spans)
            self._under_way = len(spans)
        result = self._exporter.export(spans)
        with self._lock:
            self._under_way = 0
            if self._abandoned:
                return result
        if result is SpanExportResult.SUCCESS:
            self._counts.exported(len(spans))
        else:
            self._losses.add("export_failed", len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class BoundedSpanProcessor(SpanProcessor):
    """The SDK's batch processor, which neither counts what it drops nor ends when it is told to.

    A span that finds the queue full is dropped, so a receiver that is away costs the memory of
    ``max_queue_size`` spans and no time.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        counts: SpanCounts,
        *,
        url: str,
        max_queue_size: int,
        max_batch_size: int,
        delay_ms: int,
    ) -> None:
        """Spans go to ``exporter`` (``url`` is for the log) ``max_batch_size`` at a time, and after
        ``delay_ms`` at the latest."""
        self._max_queue_size = max_queue_size
        self._losses = _Losses(counts, url)
        self._exporter = _CountingExporter(exporter, counts, self._losses)
        self._batches = BatchSpanProcessor(self._exporter, max_queue_size, delay_ms, max_batch_size)
        self._closed = False

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        pass

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if self._closed:
            self._losses.add("shutdown", 1)
        elif self._exporter.enter(self._max_queue_size):
            self._batches.on_end(span)
        else:
            self._losses.add("queue_full", 1)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._batches.force_flush(timeout_millis)

    def close(self, seconds: float) -> None:
        """Export what waits, as far as that can be done in ``seconds``."""
        self._closed = True
        flushing = threading.Thread(target=self._batches.shutdown, name="span-flush", daemon=True)
        flushing.start()
        flushing.join(seconds)
        left = self._exporter.abandon()
        if flushing.is_alive():
            self._exporter.shutdown()  # ends a wait between two attempts
            flushing.join(_LAST_REQUEST_SECONDS)
        if left:
            self._losses.add("shutdown", left)
