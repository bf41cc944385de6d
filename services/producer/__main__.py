"""The producer process: ``python -m services.producer``."""

from __future__ import annotations

import logging
import random
import sys

from prometheus_client import CollectorRegistry

from services.producer.assembly import Environment, assemble
from services.producer.broker_check import broker_listens
from services.producer.cursor_file import CursorFile
from services.producer.pipeline import Parts, Pipeline
from services.producer.settings import ProducerSettings
from services.producer.sources.choice import build_client, choose_source, start_position
from shared.clock import SystemClock
from shared.errors import BrokerUnavailable, RecordsLost
from shared.lifecycle import Heartbeat, Lifecycle, run_service
from shared.messaging.broker_memory import BrokerMemory
from shared.messaging.factory import build_producer, ensure_topics
from shared.messaging.topic_ends import TopicEnds
from shared.observability.health_server import HealthServer
from shared.observability.log import configure_logging
from shared.observability.metrics import ProducerMetrics
from shared.observability.tracing import configure_tracing
from shared.resilience.backoff import Backoff
from shared.resilience.startup import Startup
from shared.settings import KafkaSettings, ObservabilitySettings, TracingSettings, load_settings

log = logging.getLogger("services.producer")

_TOPICS_TIMEOUT = 10.0
_API_TIMEOUT = 10.0
_PAUSE = 0.5


def main(lifecycle: Lifecycle) -> None:
    settings = load_settings(ProducerSettings)
    kafka = load_settings(KafkaSettings)
    configure_logging("producer", load_settings(ObservabilitySettings))
    registry = CollectorRegistry()
    metrics = ProducerMetrics(registry)
    tracing = configure_tracing("producer", load_settings(TracingSettings), metrics.traces)
    lifecycle.on_close("tracing", tracing.close)
    clock, heartbeat = SystemClock(), Heartbeat()
    backoff = Backoff(0.5, 15.0, random.Random())  # noqa: S311 - jitter
    startup = Startup(lifecycle.stop, backoff, clock, heartbeat.beat)
    current: list[Parts] = []
    metrics.connected.set_function(lambda: float(bool(current) and current[0].stream.connected))
    metrics.outstanding.set_function(lambda: float(current[0].tracker.outstanding if current else 0))

    def obstacle() -> str | None:
        if startup.waiting_for:
            return f"waiting for {startup.waiting_for}"
        if not current or not current[0].stream.connected:
            return "not connected to the source"
        return None if broker_listens(kafka.bootstrap_servers) else "no broker listens"

    health = HealthServer(settings.metrics_host, settings.metrics_port, registry, heartbeat, obstacle)
    health.start()
    lifecycle.on_close("health server", health.close)

    source = choose_source(settings)
    cursor = CursorFile(settings.data_dir / "producer", source.key)
    _wait_for_topics(startup, kafka)
    if lifecycle.stop.is_set():
        return
    memory = BrokerMemory(kafka.topic)
    producer = build_producer(kafka, "producer", memory)
    lifecycle.on_close("kafka producer", producer.close)
    environment = Environment(
        settings=settings,
        kafka=kafka,
        source=source,
        stream_client=build_client(settings, live=source.live),
        api_client=build_client(settings, live=source.live, read_timeout=_API_TIMEOUT),
        producer=producer,
        memory=memory,
        ends=TopicEnds(kafka, kafka.topic),
        metrics=metrics,
        clock=clock,
    )
    lifecycle.on_close("stream client", environment.stream_client.close)
    lifecycle.on_close("api client", environment.api_client.close)
    position = start_position(settings, source, cursor.load(), clock.now())
    cursor.save(position)
    log.info("started", extra={"source": source.key, "since_ms": position.since_ms})

    while not lifecycle.stop.is_set():
        parts = assemble(environment, position)
        current[:] = [parts]
        try:
            Pipeline(parts, producer, cursor, heartbeat.beat).run(lifecycle.stop)
        except BrokerUnavailable as error:
            if lifecycle.stop.is_set():
                raise
            what = "lost records" if isinstance(error, RecordsLost) else "is away"
            log.warning(f"the broker {what}; reading again from the cursor", extra={"error": str(error)})
            producer.restart()
            position = parts.tracker.position
            lifecycle.stop.wait(_PAUSE)
            _wait_for_topics(startup, kafka)


def _wait_for_topics(startup: Startup, kafka: KafkaSettings) -> None:
    """At the start, and again later: a broker that keeps nothing may come back without them."""
    startup.wait_for("the broker", lambda: ensure_topics(kafka, _TOPICS_TIMEOUT))


if __name__ == "__main__":
    sys.exit(run_service("producer", main))
