"""Settings → the parts of one run of the pipeline."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from services.producer.cursor import DeliveryTracker
from services.producer.enrichment.enricher import Enricher, EnrichPolicy
from services.producer.enrichment.extract import ExtractClient, wikimedia_api
from services.producer.enrichment.rate_limit import RateLimiter
from services.producer.loss_watch import LossWatch
from services.producer.normalizer import MAX_EVENT_BYTES, Normalizer
from services.producer.pipeline import Parts
from services.producer.reader import Reader
from services.producer.resume import Position
from services.producer.sender import Sender
from services.producer.settings import ProducerSettings
from services.producer.sources.choice import Source
from services.producer.sources.event_stream import EventStream, StreamTuning
from services.producer.supervised_thread import wait_turning
from services.producer.workers import Worker, WorkerPool
from shared.messaging.broker_memory import BrokerMemory
from shared.messaging.dead_letter import DeadLetterQueue
from shared.messaging.topic_ends import TopicEnds
from shared.observability.metrics import ProducerMetrics
from shared.ports import Clock, Producer
from shared.resilience.backoff import Backoff
from shared.settings import KafkaSettings

WORKERS = 3
"""Wikimedia asks for at most three requests at a time."""

_QUEUE_SIZE = 200
_MAX_OUTSTANDING = 5_000
_RECONNECT_BASE_SECONDS = 0.5
_RECONNECT_CAP_SECONDS = 60.0
_MAX_LAG_SECONDS = 5
_LINE_OVERHEAD = 64
_LOSS_WATCH_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Environment:
    """What lives longer than one run."""

    settings: ProducerSettings
    kafka: KafkaSettings
    source: Source
    stream_client: httpx.Client
    api_client: httpx.Client
    producer: Producer
    memory: BrokerMemory
    ends: TopicEnds
    metrics: ProducerMetrics
    clock: Clock


def assemble(environment: Environment, start: Position) -> Parts:
    """Fresh parts: what a run remembered of the stream must not keep the next one from sending it."""
    settings, source, metrics = environment.settings, environment.source, environment.metrics
    halt, abandon = threading.Event(), threading.Event()
    line_bytes = environment.kafka.max_message_bytes // 4 * 3
    rng = random.Random()  # noqa: S311 - jitter
    stream = EventStream(
        environment.stream_client,
        StreamTuning(
            url=source.stream_url,
            rewind=settings.source_rewind,
            max_event_bytes=line_bytes,
        ),
        start,
        backoff=Backoff(_RECONNECT_BASE_SECONDS, _RECONNECT_CAP_SECONDS, rng),
        clock=environment.clock,
        wait=wait_turning(halt),
        reconnects=metrics.reconnects,
        stale_cursors=metrics.stale_cursors,
    )
    tracker = DeliveryTracker(start, _MAX_OUTSTANDING)
    dead_letters = DeadLetterQueue(environment.producer, environment.kafka.dlq_topic, metrics.dead_letters)
    sender = Sender(environment.producer, dead_letters, environment.kafka.topic, source.origin, metrics)
    enricher = _build_enricher(environment, wait_turning(abandon), rng)
    workers = [Worker(enricher, sender, source.kind, _QUEUE_SIZE, abandon) for _ in range(WORKERS)]
    pool = WorkerPool(workers)
    reader = Reader(
        stream,
        Normalizer(source.rules),
        tracker,
        pool,
        sender,
        metrics,
        min(MAX_EVENT_BYTES, line_bytes - _LINE_OVERHEAD),
        halt,
    )
    watch = LossWatch(environment.memory, environment.ends.read, _LOSS_WATCH_SECONDS, halt, metrics.broker)
    return Parts(stream, tracker, sender, workers, pool, reader, watch, halt, abandon)


def _build_enricher(
    environment: Environment, wait: Callable[[float], bool], rng: random.Random
) -> Enricher | None:
    settings, source = environment.settings, environment.source
    if settings.enrich == "none":
        return None
    api = ExtractClient(
        environment.api_client,
        wikimedia_api if source.live else lambda _page: f"{source.base_url}/w/api.php",
        environment.clock.now,
        _MAX_LAG_SECONDS if source.live else None,
    )
    limiter = RateLimiter(settings.enrich_rate if source.live else None, environment.clock.monotonic)
    return Enricher(api, limiter, EnrichPolicy(settings.enrich_max_chars), environment.metrics, wait, rng)
