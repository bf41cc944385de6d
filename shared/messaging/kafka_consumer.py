"""The Consumer port over Kafka: manual commits, both rebalance protocols."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, KafkaError, KafkaException, Message

from shared.errors import BrokerUnavailable, ConfigurationError
from shared.messaging.client_config import HEADER_HEADROOM, client_config, describe
from shared.messaging.connection_watch import connection_watch
from shared.messaging.kafka_record import record_from
from shared.observability.metrics import ConsumerMetrics
from shared.ports import Record, RevokeCallback, TopicPartition
from shared.settings import KafkaSettings

log = logging.getLogger(__name__)

_COMMITTED_TIMEOUT = 5.0
_UNKNOWN_TOPIC = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
)
_REFUSED_SETTING = (
    KafkaError.UNSUPPORTED_VERSION,
    KafkaError.INCONSISTENT_GROUP_PROTOCOL,
    KafkaError.INVALID_SESSION_TIMEOUT,
    KafkaError.INVALID_GROUP_ID,
)


def consumer_config(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    config = {
        **client_config(settings, client_id),
        "group.id": settings.group_id,
        "group.protocol": settings.group_protocol,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 50,
        "fetch.error.backoff.ms": 200,
        "fetch.message.max.bytes": settings.max_message_bytes + HEADER_HEADROOM,
        "queued.max.messages.kbytes": 16_384,
    }
    if settings.group_protocol == "classic":  # with the other protocol the broker decides
        config["session.timeout.ms"] = settings.session_timeout_ms
        config["heartbeat.interval.ms"] = min(3_000, settings.session_timeout_ms // 12)
        config["partition.assignment.strategy"] = settings.assignment_strategy
    return config


def is_cooperative(settings: KafkaSettings) -> bool:
    """Whether partitions come and go one by one, and not all at once."""
    return settings.group_protocol == "consumer" or settings.assignment_strategy == "cooperative-sticky"


class KafkaConsumer:
    """Pauses a partition only once it has yielded a record: to pause one whose fetching is just starting
    can leave it without records for ever. A record that arrives while paused is held back.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        topics: Iterable[str],
        *,
        cooperative: bool,
        metrics: ConsumerMetrics | None = None,
    ) -> None:
        self._metrics = metrics
        watched = {} if metrics is None else connection_watch(metrics.broker)
        self._client = confluent_kafka.Consumer({**config, **watched})
        self._cooperative = cooperative
        self._paused = False
        self._paused_partitions: set[TopicPartition] = set()
        self._read_from: set[TopicPartition] = set()
        self._held: list[Record] = []
        self._starts: dict[TopicPartition, int] = {}
        self._revoke_callback: RevokeCallback | None = None
        self._lost_callback: RevokeCallback | None = None
        self._closed = False
        self._client.subscribe(
            list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        self._hold([self._client.poll(0.0 if self._held and not self._paused else timeout)])
        if not self._paused and len(self._held) < max_records:
            # What is already here; `consume` with a timeout would wait until the batch is full.
            self._hold(self._client.consume(max_records - len(self._held), 0.0))
        if self._paused:
            self._pause_partitions({record.topic_partition for record in self._held})
            return []
        batch, self._held = self._held[:max_records], self._held[max_records:]
        return batch

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """:raises BrokerUnavailable: not stored; commit again later."""
        assigned = self.assignment()
        wanted = [
            confluent_kafka.TopicPartition(partition.topic, partition.partition, offset)
            for partition, offset in offsets.items()
            if partition in assigned and offset > self._starts.get(partition, OFFSET_INVALID)
        ]
        if not wanted:
            return
        try:
            # A commit waits as long as a session for a broker that is away; this asks it first.
            self._client.committed(wanted, timeout=_COMMITTED_TIMEOUT)
            answers = self._client.commit(offsets=wanted, asynchronous=False)
        except KafkaException as error:
            raise _not_committed(error) from None
        for answer in answers or ():
            if answer.error is not None:
                raise _not_committed(answer.error)

    def rewind(self) -> None:
        """What was never read from is at its committed offset already."""
        read_from = self._read_from & self.assignment()
        if not read_from:
            return
        try:
            committed = self._client.committed(_vendor(read_from), timeout=_COMMITTED_TIMEOUT)
            for partition in committed:
                if partition.error is not None:
                    raise KafkaException(partition.error)
            for partition in committed:
                if partition.offset < 0:
                    partition.offset = OFFSET_BEGINNING
                self._client.seek(partition)
                self._forget_position(_port([partition]))
        except KafkaException as error:
            raise BrokerUnavailable(f"the committed offsets are unknown ({describe(error)})") from None

    def pause(self) -> None:
        self._paused = True
        self._pause_partitions({record.topic_partition for record in self._held})

    def resume(self) -> None:
        self._paused = False
        self._client.resume(_vendor(self._paused_partitions & self.assignment()))
        self._paused_partitions.clear()

    def assignment(self) -> frozenset[TopicPartition]:
        return _port(self._client.assignment())

    def lag(self) -> dict[TopicPartition, int]:
        lags: dict[TopicPartition, int] = {}
        for position in self._client.position(self._client.assignment()):
            partition = TopicPartition(position.topic, position.partition)
            watermarks = self._client.get_watermark_offsets(position, cached=True)
            low, high = watermarks or (OFFSET_INVALID, OFFSET_INVALID)
            start = max(self._starts.get(partition, 0), low, 0)
            next_offset = position.offset if position.offset >= 0 else start
            lags[partition] = max(0, high - next_offset)
        for record in self._held:
            lags[record.topic_partition] = lags.get(record.topic_partition, 0) + 1
        return lags

    def on_revoke(self, callback: RevokeCallback) -> None:
        self._revoke_callback = callback

    def on_lost(self, callback: RevokeCallback) -> None:
        self._lost_callback = callback

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._revoke_callback = self._lost_callback = None
        self._client.close()

    def _on_assign(
        self, _client: confluent_kafka.Consumer, partitions: list[confluent_kafka.TopicPartition]
    ) -> None:
        if self._cooperative:
            self._client.incremental_assign(partitions)
        else:
            self._client.assign(partitions)
        self._remember_starts(partitions)
        self._count("assigned", partitions)
        log.info("partitions assigned", extra={"partitions": sorted(p.partition for p in partitions)})

    def _remember_starts(self, partitions: list[confluent_kafka.TopicPartition]) -> None:
        """Before the first record of a partition the client knows no position, so ``lag`` needs these."""
        if not partitions:
            return
        try:
            committed = self._client.committed(partitions, timeout=_COMMITTED_TIMEOUT)
        except KafkaException as error:
            log.warning("committed offsets are unknown", extra={"error": describe(error)})
            return
        for partition in committed:
            if partition.offset >= 0:
                self._starts[TopicPartition(partition.topic, partition.partition)] = partition.offset

    def _on_revoke(
        self, _client: confluent_kafka.Consumer, partitions: list[confluent_kafka.TopicPartition]
    ) -> None:
        revoked = _port(partitions)
        if self._revoke_callback is not None and revoked:
            self._revoke_callback(revoked)
        self._give_up(partitions)
        self._count("revoked", partitions)
        log.info("partitions revoked", extra={"partitions": sorted(p.partition for p in revoked)})

    def _on_lost(
        self, _client: confluent_kafka.Consumer, partitions: list[confluent_kafka.TopicPartition]
    ) -> None:
        self._give_up(partitions)
        if self._lost_callback is not None and partitions:
            self._lost_callback(_port(partitions))
        self._count("lost", partitions)
        log.warning("partitions lost", extra={"partitions": sorted(p.partition for p in partitions)})

    def _count(self, event: str, partitions: list[confluent_kafka.TopicPartition]) -> None:
        if self._metrics is not None and partitions:
            self._metrics.rebalances.labels(event).inc()

    def _give_up(self, partitions: list[confluent_kafka.TopicPartition]) -> None:
        gone = _port(partitions)
        self._forget_position(gone)
        self._paused_partitions -= gone
        for partition in gone:
            self._starts.pop(partition, None)
        if self._cooperative:
            self._client.incremental_unassign(partitions)
        else:
            self._client.unassign()

    def _forget_position(self, partitions: frozenset[TopicPartition]) -> None:
        self._held = [record for record in self._held if record.topic_partition not in partitions]
        self._read_from -= partitions

    def _pause_partitions(self, partitions: set[TopicPartition]) -> None:
        fetching = partitions - self._paused_partitions
        if fetching:
            self._client.pause(_vendor(fetching))
            self._paused_partitions |= fetching

    def _hold(self, messages: Iterable[Message | None]) -> None:
        """Keep all records before an error among them is raised: the client does not give them again."""
        errors: list[KafkaError] = []
        for message in messages:
            error = None if message is None else message.error()
            if error is not None:
                errors.append(error)
            elif message is not None:
                record = record_from(message)
                self._held.append(record)
                self._read_from.add(record.topic_partition)
        for error in errors:
            self._report(error)

    def _report(self, error: KafkaError) -> None:
        if error.code() in _REFUSED_SETTING:
            raise ConfigurationError(f"the broker refuses KAFKA_GROUP_* settings ({describe(error)})")
        if error.code() in _UNKNOWN_TOPIC or error.fatal():
            raise BrokerUnavailable(describe(error))
        log.warning("the consumer reports a problem and goes on", extra={"error": describe(error)})


def _port(partitions: Iterable[confluent_kafka.TopicPartition]) -> frozenset[TopicPartition]:
    return frozenset(TopicPartition(partition.topic, partition.partition) for partition in partitions)


def _vendor(partitions: Iterable[TopicPartition]) -> list[confluent_kafka.TopicPartition]:
    return [confluent_kafka.TopicPartition(partition.topic, partition.partition) for partition in partitions]


def _not_committed(error: KafkaError | KafkaException) -> BrokerUnavailable:
    """Also where a rebalance is the reason: it may leave the partitions here, and else ``poll`` tells."""
    return BrokerUnavailable(f"offsets were not committed ({describe(error)})")
