"""The processor process: ``python -m services.processor``; with arguments, one of its commands."""

from __future__ import annotations

import logging
import random
import sys

from prometheus_client import CollectorRegistry

from services.processor.assembly import build_chunker
from services.processor.burial import Burial
from services.processor.commits import Committer
from services.processor.composer import Composer
from services.processor.encoder import Encoder
from services.processor.limit import DeadLetterLimit
from services.processor.loop import Loop, LoopPolicy
from services.processor.monitor import Monitor
from services.processor.offsets import Ledger
from services.processor.pipeline import Pipeline, PipelinePolicy
from services.processor.recent import RecentDocuments
from services.processor.retention import Retention, RetentionPolicy
from services.processor.settings import ProcessorSettings
from services.processor.writer import Writer
from shared.clock import SystemClock
from shared.embedder.factory import build_embedder
from shared.lifecycle import Heartbeat, Lifecycle, run_service
from shared.messaging.dead_letter import DeadLetterQueue
from shared.messaging.factory import build_consumer, build_producer, ensure_topics
from shared.observability.health_server import HealthServer
from shared.observability.log import configure_logging
from shared.observability.measured_embedder import MeasuredEmbedder
from shared.observability.measured_store import MeasuredStore
from shared.observability.metrics import ProcessorMetrics
from shared.observability.tracing import configure_tracing
from shared.ports import VectorStore
from shared.resilience.backoff import Backoff
from shared.resilience.startup import Startup
from shared.settings import (
    EmbedderSettings,
    KafkaSettings,
    ObservabilitySettings,
    TracingSettings,
    VectorStoreSettings,
    load_settings,
)
from shared.vector_store.factory import open_vector_store

log = logging.getLogger("services.processor")

_TOPICS_TIMEOUT = 5.0
_COMMIT_SECONDS = 1.0  # a crash repeats the work of about this time
_REMEMBERED_BYTES = 33_554_432


def main(lifecycle: Lifecycle) -> None:
    settings = load_settings(ProcessorSettings)
    kafka = load_settings(KafkaSettings)
    store_settings = load_settings(VectorStoreSettings)
    embedder_settings = load_settings(EmbedderSettings)
    configure_logging("processor", load_settings(ObservabilitySettings))
    registry, clock, heartbeat = CollectorRegistry(), SystemClock(), Heartbeat()
    metrics = ProcessorMetrics(registry)
    tracing = configure_tracing("processor", load_settings(TracingSettings), metrics.traces)
    lifecycle.on_close("tracing", tracing.close)
    startup = Startup(lifecycle.stop, _new_backoff(), clock, heartbeat.beat)
    monitors: list[Monitor] = []

    def obstacle() -> str | None:
        if monitors:
            return monitors[0].obstacle()
        return f"waiting for {startup.waiting_for}" if startup.waiting_for else "starting"

    health = HealthServer(settings.metrics_host, settings.metrics_port, registry, heartbeat, obstacle)
    health.start()
    lifecycle.on_close("health server", health.close)

    embedder = MeasuredEmbedder(build_embedder(embedder_settings), metrics.models, embedder_settings.kind)
    chunker = build_chunker(settings, embedder)
    opened = startup.wait_for(
        "the vector store",
        lambda: open_vector_store(store_settings, embedder_name=embedder.name, dimension=embedder.dimension),
    )
    if opened is None:
        return
    store = MeasuredStore(opened, metrics.store, store_settings.vector_store)
    lifecycle.on_close("vector store", store.close)
    startup.wait_for("the broker", lambda: ensure_topics(kafka, _TOPICS_TIMEOUT))
    if lifecycle.stop.is_set():
        return

    producer = build_producer(kafka, "processor-dlq")
    lifecycle.on_close("kafka producer", producer.close)
    consumer = build_consumer(kafka, "processor", metrics.consumer)
    lifecycle.on_close("kafka consumer", consumer.close)
    retention = _build_retention(settings, store, metrics)
    lifecycle.on_close("retention", retention.close)

    encoder = Encoder(embedder, metrics, settings.batch_max_tokens)
    burial = Burial(DeadLetterQueue(producer, kafka.dlq_topic, metrics.dead_letters), producer)
    pipeline = Pipeline(
        Composer(chunker, store, RecentDocuments(_REMEMBERED_BYTES)),
        encoder,
        Writer(store, encoder, burial, metrics, clock, store_settings.vector_store),
        DeadLetterLimit(settings.dlq_max_share),
        metrics,
        clock,
        _new_backoff,
        PipelinePolicy(settings.batch_max_records, settings.batch_max_tokens, settings.max_event_bytes),
    )
    ledger = Ledger()
    committer = Committer(consumer, store, ledger, metrics, clock, _COMMIT_SECONDS)
    monitor = Monitor(consumer, store, metrics, clock, lambda: loop.is_blocked)
    loop = Loop(
        consumer,
        pipeline,
        ledger,
        committer,
        metrics,
        heartbeat,
        clock,
        _new_backoff(),
        LoopPolicy(),
        lambda: ensure_topics(kafka, _TOPICS_TIMEOUT),
        (monitor.report, retention.check),
    )
    monitors.append(monitor)
    retention.start()
    log.info("started", extra={"embedder": embedder.name, "group": kafka.group_id})
    loop.run(lifecycle.stop)


def _new_backoff() -> Backoff:
    return Backoff(0.2, 10.0, random.Random())  # noqa: S311 - jitter


def _build_retention(settings: ProcessorSettings, store: VectorStore, metrics: ProcessorMetrics) -> Retention:
    policy = RetentionPolicy(settings.max_age, settings.max_chunks, settings.tombstone_age)
    return Retention(store, metrics, policy, random.Random())  # noqa: S311 - jitter


def _run() -> int:
    if len(sys.argv) > 1:
        from services.processor.commands import run_command

        return run_command(sys.argv[1:])
    return run_service("processor", main)


if __name__ == "__main__":
    sys.exit(_run())
