"""What the producer tells of its source."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from shared.observability.metrics import buckets
from shared.observability.metrics.declaration import (
    DeclaredCounter,
    DeclaredGauge,
    DeclaredHistogram,
    DeclaredOptionalGauge,
    Label,
    MetricGroup,
)
from shared.observability.metrics.messaging import (
    BrokerMetrics,
    ClientMetrics,
    DeadLetterMetrics,
    SendingMetrics,
)
from shared.observability.metrics.process import ProcessMetrics, TraceMetrics

DROP_REASONS = ("canary", "filtered", "no_effect", "page_gone", "duplicate")


class ProducerMetrics(MetricGroup):
    connected = DeclaredGauge("rag_source_connected", "1 while the stream is connected.", "")
    events_received = DeclaredCounter(
        "rag_source_events_total", "Events read from the source stream.", "events"
    )
    events_dropped = DeclaredCounter(
        "rag_source_dropped_total",
        "Events that are not documents of interest.",
        "events",
        (Label("reason", DROP_REASONS),),
    )
    outstanding = DeclaredGauge(
        "rag_source_outstanding_events",
        "Events read that the broker has not acknowledged yet and that were not dropped either.",
        "events",
    )
    reconnects = DeclaredCounter(
        "rag_source_reconnects_total", "Connections to the source after the first.", "connections"
    )
    stale_cursors = DeclaredCounter(
        "rag_source_stale_cursors_total",
        "Times that the source no longer knew our position, so that events may have been skipped.",
        "times",
    )
    enrich_duration = DeclaredHistogram(
        "rag_source_enrich_duration_seconds", "Time to fetch a page's text.", "seconds", buckets=buckets.STAGE
    )
    enrich_failures = DeclaredCounter(
        "rag_source_enrich_failures_total",
        "Pages sent with title and comment only, because their text could not be fetched.",
        "pages",
    )
    last_event_time = DeclaredOptionalGauge(
        "rag_source_last_event_timestamp_seconds",
        "Time of the newest event read, as the source stamped it.",
        "seconds since 1970",
        absent="until the first event",
    )

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.process = ProcessMetrics(registry, "producer")
        self.traces = TraceMetrics(registry)
        self.client = ClientMetrics(registry)
        self.sent = SendingMetrics(registry).sent
        self.broker = BrokerMetrics(registry)
        self.dead_letters = DeadLetterMetrics(registry).letters
