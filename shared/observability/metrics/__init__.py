"""Every metric, declared once: name, meaning, unit, labels, buckets.

One class for each service; instances register on an injected registry, so tests never share state.
Names follow Prometheus (base units, ``_total``) and OpenTelemetry where it has a name for the same; ids,
titles and questions are never labels. Label sets are initialised at start, so that no panel is empty before
the first event. ``docs/metrics.md`` is written from these declarations: ``python -m
shared.observability.metrics``.
"""

from __future__ import annotations

from shared.observability.metrics.api import METHODS, NO_ROUTE, OTHER_METHOD, STAGES, ApiMetrics
from shared.observability.metrics.messaging import BrokerMetrics, ConsumerMetrics
from shared.observability.metrics.models import (
    CHAT_ERRORS,
    LLM_STATES,
    SUCCESS,
    LLMMetrics,
    ModelOperations,
)
from shared.observability.metrics.process import SPAN_LOSSES, SpanLoss, TraceMetrics
from shared.observability.metrics.processor import INGEST_RESULTS, SOURCES, ProcessorMetrics, known_source
from shared.observability.metrics.producer import ProducerMetrics
from shared.observability.metrics.store import STORE_OPERATIONS, StoreMetrics

__all__ = [
    "CHAT_ERRORS",
    "INGEST_RESULTS",
    "LLM_STATES",
    "METHODS",
    "NO_ROUTE",
    "OTHER_METHOD",
    "SOURCES",
    "SPAN_LOSSES",
    "STAGES",
    "STORE_OPERATIONS",
    "SUCCESS",
    "ApiMetrics",
    "BrokerMetrics",
    "ConsumerMetrics",
    "LLMMetrics",
    "ModelOperations",
    "ProcessorMetrics",
    "ProducerMetrics",
    "SpanLoss",
    "StoreMetrics",
    "TraceMetrics",
    "known_source",
]
