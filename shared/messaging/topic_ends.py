"""Where the partitions of a topic end, as the broker says."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from shared.errors import BrokerUnavailable
from shared.messaging.client_config import client_config, describe
from shared.settings import KafkaSettings

_LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_TIMEOUT = 1.0
"""Seconds, for each of two questions."""


class TopicEnds:
    """Keeps its connection. Used from one thread."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._admin = AdminClient(client_config(settings, "topic-ends"))
        self._topic = topic

    def read(self) -> dict[int, int]:
        """Partition → end; empty where there is no such topic, which is not created. Takes at most 2 s.

        :raises BrokerUnavailable: it did not answer, or not for all partitions.
        """
        try:
            places = self._places()
            latest = dict.fromkeys(places, _LATEST)
            answers = self._admin.list_offsets(latest, request_timeout=_TIMEOUT) if latest else {}
            ends = {place.partition: answer.result().offset for place, answer in answers.items()}
        except KafkaException as error:
            raise BrokerUnavailable(f"the ends of topic {self._topic!r}: {describe(error)}") from None
        if any(end < 0 for end in ends.values()):  # so the client answers where the broker did not in time
            raise BrokerUnavailable(f"the ends of topic {self._topic!r}: no answer")
        return ends

    def _places(self) -> list[TopicPartition]:
        answers = self._admin.describe_topics(TopicCollection([self._topic]), request_timeout=_TIMEOUT)
        try:
            description = answers[self._topic].result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return []
            raise
        return [TopicPartition(self._topic, partition.id) for partition in description.partitions]
