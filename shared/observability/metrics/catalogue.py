"""Which process exposes which metrics."""

from __future__ import annotations

from dataclasses import dataclass

from shared.observability.metrics.api import ApiMetrics
from shared.observability.metrics.declaration import MetricGroup
from shared.observability.metrics.messaging import (
    BrokerMetrics,
    ClientMetrics,
    ConsumerMetrics,
    DeadLetterMetrics,
    SendingMetrics,
)
from shared.observability.metrics.models import EmbeddingMetrics, LLMMetrics, ModelOperations
from shared.observability.metrics.process import SERVICE_NAMES, ProcessMetrics, TraceMetrics
from shared.observability.metrics.processor import ProcessorMetrics
from shared.observability.metrics.producer import ProducerMetrics
from shared.observability.metrics.store import StoreMetrics

PROCESS_METRICS = {
    "process_cpu_seconds_total": "Processor time used.",
    "process_open_fds": "Open files and sockets.",
    "process_max_fds": "How many there may be.",
    "process_resident_memory_bytes": "Memory in use.",
    "process_virtual_memory_bytes": "Memory reserved.",
    "process_start_time_seconds": "When the process started, in seconds since 1970.",
}
"""Of the client library; every process has them."""


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    group: type[MetricGroup]
    services: tuple[str, ...]


SECTIONS = (
    Section("Questions and answers", ApiMetrics, ("api",)),
    Section("Language model", LLMMetrics, ("api",)),
    Section("Models", ModelOperations, ("processor", "api")),
    Section("Embedding", EmbeddingMetrics, ("processor", "api")),
    Section("Source", ProducerMetrics, ("producer",)),
    Section("Indexing", ProcessorMetrics, ("processor",)),
    Section("Consumer", ConsumerMetrics, ("processor",)),
    Section("Kafka operations", ClientMetrics, SERVICE_NAMES),
    Section("Records sent", SendingMetrics, ("producer", "api")),
    Section("Broker", BrokerMetrics, ("producer", "processor")),
    Section("Dead letters", DeadLetterMetrics, ("producer", "processor")),
    Section("Vector store", StoreMetrics, ("processor", "api")),
    Section("Traces", TraceMetrics, SERVICE_NAMES),
    Section("Process", ProcessMetrics, SERVICE_NAMES),
)
