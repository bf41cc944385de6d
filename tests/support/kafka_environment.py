"""How a test's topic and group reach the services that it starts."""

from __future__ import annotations

from shared.settings import KafkaSettings


def kafka_environment(kafka: KafkaSettings) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_TOPIC": kafka.topic,
        "KAFKA_DLQ_TOPIC": kafka.dlq_topic,
        "KAFKA_GROUP_ID": kafka.group_id,
    }
