from __future__ import annotations

from confluent_kafka.admin import AdminClient


def test_the_embedded_broker_answers(broker: str) -> None:
    metadata = AdminClient({"bootstrap.servers": broker}).list_topics(timeout=60)
    assert metadata.brokers
