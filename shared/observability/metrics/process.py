"""What every process tells of itself."""

from __future__ import annotations

from importlib.metadata import version
from typing import Literal

from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

from shared.observability.metrics.declaration import DeclaredCounter, DeclaredGauge, Label, MetricGroup

SpanLoss = Literal["queue_full", "export_failed", "shutdown"]
SPAN_LOSSES: tuple[SpanLoss, ...] = ("queue_full", "export_failed", "shutdown")
SERVICE_NAMES = ("producer", "processor", "api")

_DISTRIBUTION = "live-rag"


class ProcessMetrics(MetricGroup):
    """With the usual ``process_*`` metrics of the client library."""

    build_info = DeclaredGauge(
        "rag_build_info",
        "Always 1; its labels tell what runs.",
        "",
        (
            Label("service", bound="the process' own of producer, processor, api"),
            Label("version", bound="one"),
        ),
    )

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        # They would be a second series for each counter and histogram, and nobody looks at them.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        super().__init__(registry)
        ProcessCollector(registry=registry)
        self.build_info.labels(service, version(_DISTRIBUTION)).set(1)


class TraceMetrics(MetricGroup):
    """What became of the spans that were to be exported."""

    spans_exported = DeclaredCounter(
        "rag_trace_spans_exported_total",
        "Spans that the receiver of traces took; stays 0 where none is configured.",
        "spans",
    )
    spans_dropped = DeclaredCounter(
        "rag_trace_spans_dropped_total",
        "Spans that were sampled and not delivered: the queue was full, the receiver was away or refused"
        " them, or the process ended first.",
        "spans",
        (Label("reason", SPAN_LOSSES),),
    )

    def exported(self, number: int) -> None:
        self.spans_exported.inc(number)

    def dropped(self, reason: SpanLoss, number: int) -> None:
        self.spans_dropped.labels(reason).inc(number)
