"""Settings → messaging adapters, and the topics they need."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from shared.errors import BrokerUnavailable, ConfigurationError
from shared.messaging.broker_memory import BrokerMemory
from shared.messaging.client_config import HEADER_HEADROOM, client_config, describe
from shared.messaging.kafka_consumer import KafkaConsumer, consumer_config, is_cooperative
from shared.messaging.kafka_producer import KafkaProducer, producer_config
from shared.observability.metrics import ConsumerMetrics
from shared.ports import Consumer
from shared.settings import KafkaSettings

_WRONG_SETTING = (
    KafkaError.TOPIC_EXCEPTION,
    KafkaError.INVALID_PARTITIONS,
    KafkaError.INVALID_CONFIG,
    KafkaError.POLICY_VIOLATION,
)


def build_producer(
    settings: KafkaSettings, client_id: str, memory: BrokerMemory | None = None
) -> KafkaProducer:
    return KafkaProducer(producer_config(settings, client_id), settings.max_message_bytes, memory)


def build_consumer(
    settings: KafkaSettings, client_id: str, metrics: ConsumerMetrics | None = None
) -> Consumer:
    """A member of ``KAFKA_GROUP_ID`` that reads ``KAFKA_TOPIC``."""
    return KafkaConsumer(
        consumer_config(settings, client_id),
        [settings.topic],
        cooperative=is_cooperative(settings),
        metrics=metrics,
    )


def ensure_topics(settings: KafkaSettings, timeout: float) -> None:
    """Create the document and dead letter topics where they are missing.

    :raises BrokerUnavailable: no broker answered within ``timeout`` seconds.
    :raises ConfigurationError: the broker refuses such topics.
    """
    admin = AdminClient(client_config(settings, "topics"))
    try:
        existing = admin.list_topics(timeout=timeout).topics
        missing = [name for name in (settings.topic, settings.dlq_topic) if name not in existing]
        if missing:
            _create(admin, settings, missing, timeout)
    except KafkaException as error:
        raise BrokerUnavailable(
            f"no broker answers at KAFKA_BOOTSTRAP_SERVERS={settings.bootstrap_servers} ({describe(error)})"
        ) from None


def _create(admin: AdminClient, settings: KafkaSettings, names: list[str], timeout: float) -> None:
    config = {"max.message.bytes": str(settings.max_message_bytes + HEADER_HEADROOM)}
    topics = [NewTopic(name, num_partitions=settings.partitions, config=config) for name in names]
    for name, created in admin.create_topics(topics, request_timeout=timeout).items():
        try:
            created.result()
        except KafkaException as error:
            code = error.args[0].code()
            if code in _WRONG_SETTING:
                raise ConfigurationError(f"cannot create topic {name!r}: {describe(error)}") from None
            if code != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
