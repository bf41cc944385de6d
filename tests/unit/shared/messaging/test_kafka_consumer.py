"""What a broker cannot be made to do on demand: errors between records. The client is scripted."""

from __future__ import annotations

from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaError, KafkaException

from shared.errors import BrokerUnavailable
from shared.messaging.kafka_consumer import KafkaConsumer
from shared.ports import TopicPartition
from tests.support.scripted_message import ScriptedMessage


class ScriptedClient:
    def __init__(self, _config: dict[str, Any]) -> None:
        self.messages: list[ScriptedMessage] = []
        self.commit_error: KafkaError | None = None
        self.away_within: list[float] = []
        self.is_away = False

    def subscribe(self, _topics: list[str], **_callbacks: object) -> None: ...

    def poll(self, _timeout: float) -> ScriptedMessage | None:
        return self.messages.pop(0) if self.messages else None

    def consume(self, count: int, _timeout: float) -> list[ScriptedMessage]:
        taken, self.messages = self.messages[:count], self.messages[count:]
        return taken

    def assignment(self) -> list[confluent_kafka.TopicPartition]:
        return [confluent_kafka.TopicPartition("documents", 0)]

    def committed(
        self, partitions: list[confluent_kafka.TopicPartition], *, timeout: float
    ) -> list[confluent_kafka.TopicPartition]:
        if self.is_away:
            self.away_within.append(timeout)
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return partitions

    def commit(self, **_offsets: object) -> None:
        assert not self.is_away, "would wait as long as a session"
        if self.commit_error is not None:
            raise KafkaException(self.commit_error)


def test_records_read_beside_an_error_are_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confluent_kafka, "Consumer", ScriptedClient)
    consumer = KafkaConsumer({}, ["documents"], cooperative=True)
    unknown = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
    consumer._client.messages = [  # type: ignore[attr-defined]
        ScriptedMessage(0),
        ScriptedMessage(1),
        ScriptedMessage(-1, unknown),
        ScriptedMessage(2),
    ]
    with pytest.raises(BrokerUnavailable):
        consumer.poll(10, 0.0)
    assert [record.offset for record in consumer.poll(10, 0.0)] == [0, 1, 2]


@pytest.mark.parametrize(
    "code", [KafkaError.ILLEGAL_GENERATION, KafkaError.STALE_MEMBER_EPOCH, KafkaError.REBALANCE_IN_PROGRESS]
)
def test_what_a_rebalance_refuses_is_not_taken_for_committed(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """The partition may stay with this member, and nothing may come on it for hours."""
    monkeypatch.setattr(confluent_kafka, "Consumer", ScriptedClient)
    consumer = KafkaConsumer({}, ["documents"], cooperative=True)
    consumer._client.commit_error = KafkaError(code)  # type: ignore[attr-defined]
    with pytest.raises(BrokerUnavailable, match="not committed"):
        consumer.commit({TopicPartition("documents", 0): 5})


def test_a_commit_asks_first_whether_the_broker_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shutdown's grace ends long before a session does."""
    monkeypatch.setattr(confluent_kafka, "Consumer", ScriptedClient)
    consumer = KafkaConsumer({}, ["documents"], cooperative=True)
    client: Any = consumer._client
    client.is_away = True
    with pytest.raises(BrokerUnavailable):
        consumer.commit({TopicPartition("documents", 0): 5})
    [patience] = client.away_within
    assert patience <= 5
