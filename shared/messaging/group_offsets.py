"""How far a consumer group has read a topic, seen and set from outside of the group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from shared.errors import BrokerUnavailable, ConfigurationError
from shared.messaging.client_config import client_config, describe
from shared.settings import KafkaSettings

_TIMEOUT = 10.0
_GROUP_IN_USE = (
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.NON_EMPTY_GROUP,
)


@dataclass(frozen=True, slots=True)
class TopicState:
    """``topic_id`` tells a topic from one of the same name that was made later. Partition → offset:
    ``begins`` of the oldest record that is kept, ``ends`` after the newest."""

    topic_id: str
    begins: Mapping[int, int]
    ends: Mapping[int, int]


class GroupOffsets:
    """Of ``KAFKA_GROUP_ID`` in ``KAFKA_TOPIC``. Each call takes some seconds at most.

    :raises BrokerUnavailable: the broker did not answer, or not for all partitions.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._admin = AdminClient(client_config(settings, "group-offsets"))

    def topic(self) -> TopicState:
        """:raises ConfigurationError: there is no such topic."""
        name = self._settings.topic
        try:
            described = self._admin.describe_topics(TopicCollection([name]), request_timeout=_TIMEOUT)
            description = described[name].result()
            places = [TopicPartition(name, partition.id) for partition in description.partitions]
            begins = self._list(places, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
            ends = self._list(places, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise ConfigurationError(f"KAFKA_TOPIC={name}: there is no such topic") from None
            raise self._unavailable(error) from None
        return TopicState(str(description.topic_id), begins, ends)

    def committed(self) -> dict[int, int]:
        """Partition → the next offset to read, of those for which one was ever committed."""
        group = ConsumerGroupTopicPartitions(self._settings.group_id)
        try:
            asked = self._admin.list_consumer_group_offsets([group], request_timeout=_TIMEOUT)
            answer = asked[self._settings.group_id].result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return {}
            raise self._unavailable(error) from None
        return {
            place.partition: place.offset
            for place in answer.topic_partitions
            if place.topic == self._settings.topic and place.offset >= 0
        }

    def set(self, offsets: Mapping[int, int]) -> None:
        """:raises ConfigurationError: somebody is in the group."""
        group_id, name = self._settings.group_id, self._settings.topic
        places = [TopicPartition(name, partition, offset) for partition, offset in sorted(offsets.items())]
        group = ConsumerGroupTopicPartitions(group_id, places)
        try:
            asked = self._admin.alter_consumer_group_offsets([group], request_timeout=_TIMEOUT)
            answer = asked[group_id].result()
        except KafkaException as error:
            raise self._not_set(error.args[0]) from None
        for place in answer.topic_partitions:
            if place.error is not None:
                raise self._not_set(place.error)

    def _list(self, places: list[TopicPartition], spec: OffsetSpec) -> dict[int, int]:
        answers = self._admin.list_offsets(dict.fromkeys(places, spec), request_timeout=_TIMEOUT)
        offsets = {place.partition: answer.result().offset for place, answer in answers.items()}
        if any(offset < 0 for offset in offsets.values()):  # so the client answers where the broker did not
            raise BrokerUnavailable(f"the offsets of topic {self._settings.topic!r}: no answer")
        return offsets

    def _not_set(self, error: KafkaError) -> BrokerUnavailable | ConfigurationError:
        if error.code() in _GROUP_IN_USE:
            return ConfigurationError(
                f"KAFKA_GROUP_ID={self._settings.group_id}: its members still run; stop the processors first"
            )
        return self._unavailable(KafkaException(error))

    def _unavailable(self, error: KafkaException) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"the offsets of KAFKA_GROUP_ID={self._settings.group_id}: no answer from"
            f" KAFKA_BOOTSTRAP_SERVERS={self._settings.bootstrap_servers} ({describe(error)})"
        )
