"""Read a whole topic from outside of any consumer group, up to the end that it has now."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, KafkaError, KafkaException, Message

from shared.errors import BrokerUnavailable, ConfigurationError
from shared.messaging.client_config import HEADER_HEADROOM, client_config, describe
from shared.messaging.kafka_record import record_from
from shared.ports import Record
from shared.settings import KafkaSettings

_POLL_SECONDS = 0.25
_METADATA_SECONDS = 5.0
_UNREADABLE = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
)


@dataclass(slots=True)
class _Part:
    """How far one partition has been read. ``end`` is unknown until the broker's first answer."""

    wanted: int
    start: int | None = None
    next: int = 0
    end: int | None = None
    finished: bool = False


class ReadProgress:
    """Which partitions are read to their end. Pure.

    The end is the high watermark that the first fetch brought along: ListOffsets lags on some brokers.
    No record needs to stand right before it (transactions, compaction), so the client's end-of-partition
    event ends a partition too.
    """

    def __init__(self, starts: Mapping[int, int]) -> None:
        """``starts``: partition → first offset wanted."""
        self._parts = {partition: _Part(wanted) for partition, wanted in starts.items()}

    def begin(self, partition: int, offset: int, high_watermark: int) -> None:
        """The first record of the partition is at ``offset``."""
        part = self._parts[partition]
        part.start, part.end = offset, max(high_watermark, offset + 1)

    def begun(self, partition: int) -> bool:
        return self._parts[partition].start is not None

    @property
    def waiting(self) -> list[int]:
        """Partitions of which nothing has come."""
        return [
            partition for partition, part in self._parts.items() if part.start is None and not part.finished
        ]

    def wanted(self, partition: int) -> int:
        return self._parts[partition].wanted

    def take(self, partition: int, offset: int) -> bool:
        """A record was read: whether it is one of those asked for."""
        part = self._parts[partition]
        if part.finished or part.end is None:
            return False
        asked_for = part.wanted <= offset < part.end
        part.next = offset + 1
        part.finished |= part.next >= part.end
        return asked_for

    def end_reached(self, partition: int) -> None:
        part = self._parts[partition]
        part.finished = True
        part.next = part.end or 0

    def finished_part(self, partition: int) -> bool:
        return self._parts[partition].finished

    @property
    def finished(self) -> bool:
        return all(part.finished for part in self._parts.values())

    @property
    def done(self) -> int:
        return sum(part.next - part.start for part in self._parts.values() if part.start is not None)

    @property
    def total(self) -> int:
        """As far as the broker has answered for the partitions; gaps count."""
        return sum(
            part.end - part.start
            for part in self._parts.values()
            if part.start is not None and part.end is not None
        )


class TopicReader:
    """Made by ``open_topic``."""

    def __init__(self, client: confluent_kafka.Consumer, topic: str, starts: Mapping[int, int]) -> None:
        self._client = client
        self._topic = topic
        self._progress = ReadProgress(starts)

    @property
    def done(self) -> int:
        """Offsets read so far, of ``total``."""
        return self._progress.done

    @property
    def total(self) -> int:
        """Offsets to read; known after the first batches."""
        return self._progress.total

    def batches(self, max_records: int = 100, patience: float = 15.0) -> Iterator[list[Record]]:
        """Every record up to the end, in order within each partition. An empty batch stands for a quarter
        of a second without one, so that the caller can look at its clock.

        :raises BrokerUnavailable: nothing came for ``patience`` seconds, without those that the caller took.
        :raises ConfigurationError: the topic was removed, or must not be read.
        """
        silent_for = 0.0
        problem = "it does not answer"
        while not self._progress.finished:
            asked_at = time.monotonic()
            messages = self._messages(max_records)
            if not messages:
                self._end_those_begun_beyond_their_end()
            records: list[Record] = []
            answered = False
            for message in messages:
                error = message.error()
                if error is None or error.code() == KafkaError._PARTITION_EOF:
                    answered = True
                    records += self._taken(message)
                else:
                    problem = self._checked(error)
            silent_for = 0.0 if answered else silent_for + time.monotonic() - asked_at
            if silent_for > patience:
                raise BrokerUnavailable(f"topic {self._topic!r} cannot be read to its end: {problem}")
            yield records

    def _end_those_begun_beyond_their_end(self) -> None:
        """Some brokers answer with nothing, where others say that the offset is out of range."""
        for partition in self._progress.waiting:
            here = confluent_kafka.TopicPartition(self._topic, partition)
            _, high = self._client.get_watermark_offsets(here, cached=True) or (0, OFFSET_INVALID)
            if 0 <= high <= self._progress.wanted(partition):
                self._progress.end_reached(partition)

    def _messages(self, max_records: int) -> list[Message]:
        first = self._client.poll(_POLL_SECONDS)
        if first is None:
            return []
        # What is already here; with a timeout it would wait until the batch is full.
        return [first, *self._client.consume(max_records - 1, 0.0)] if max_records > 1 else [first]

    def _taken(self, message: Message) -> list[Record]:
        partition = message.partition()
        assert partition is not None
        if message.error() is not None:
            self._progress.end_reached(partition)
            return []
        record = record_from(message)
        here = confluent_kafka.TopicPartition(self._topic, partition)
        if not self._progress.begun(partition):
            _, high = self._client.get_watermark_offsets(here, cached=True) or (0, 0)
            self._progress.begin(partition, record.offset, high)
        asked_for = self._progress.take(partition, record.offset)
        if self._progress.finished_part(partition):
            self._client.pause([here])  # what is written meanwhile would only be thrown away
        return [record] if asked_for else []

    def _checked(self, error: KafkaError) -> str:
        if error.code() in _UNREADABLE:
            raise ConfigurationError(f"topic {self._topic!r} cannot be read ({describe(error)})")
        return describe(error)


@contextmanager
def open_topic(
    settings: KafkaSettings, topic: str, starts: Mapping[int, int] | None = None
) -> Iterator[TopicReader]:
    """A reader of the whole ``topic``, or of the partitions in ``starts`` from those offsets on.

    :raises BrokerUnavailable: no broker answers.
    :raises ConfigurationError: there is no such topic.
    """
    client = confluent_kafka.Consumer(_config(settings))
    try:
        partitions = _partitions(client, settings, topic)
        wanted = dict.fromkeys(partitions, 0) if starts is None else dict(starts)
        reader_starts = {partition: wanted[partition] for partition in partitions if partition in wanted}
        client.assign(
            [
                confluent_kafka.TopicPartition(topic, partition, offset or OFFSET_BEGINNING)
                for partition, offset in reader_starts.items()
            ]
        )
        yield TopicReader(client, topic, reader_starts)
    finally:
        client.close()


def _config(settings: KafkaSettings) -> dict[str, object]:
    return {
        **client_config(settings, "topic-reader"),
        # The client insists on a name; partitions that are assigned by hand join no group.
        "group.id": f"topic-reader-{uuid.uuid4()}",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 50,
        "fetch.message.max.bytes": settings.max_message_bytes + HEADER_HEADROOM,
        "queued.max.messages.kbytes": 16_384,
    }


def _partitions(client: confluent_kafka.Consumer, settings: KafkaSettings, topic: str) -> list[int]:
    try:
        # Of all topics: asked for by name, a broker may create it.
        topics = client.list_topics(timeout=_METADATA_SECONDS).topics
    except KafkaException as error:
        raise BrokerUnavailable(
            f"no broker answers at KAFKA_BOOTSTRAP_SERVERS={settings.bootstrap_servers} ({describe(error)})"
        ) from None
    if topic not in topics:
        name = "KAFKA_DLQ_TOPIC" if topic == settings.dlq_topic else "KAFKA_TOPIC"
        raise ConfigurationError(
            f"{name}={topic}: the broker at KAFKA_BOOTSTRAP_SERVERS={settings.bootstrap_servers} has no such"
            " topic; the services create it when they start"
        )
    return sorted(topics[topic].partitions)
