"""The Producer port over Kafka: idempotent, compressed, confirmed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, Message

from shared.errors import BrokerUnavailable, InvalidEvent, InvalidReason
from shared.messaging.broker_memory import Acknowledged, BrokerMemory
from shared.messaging.client_config import HEADER_HEADROOM, client_config, describe
from shared.ports import DeliveryCallback, OutgoingRecord
from shared.settings import KafkaSettings

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.5
_BUFFER_WAIT_SECONDS = 10.0
_ABANDON_SECONDS = 2.0


def producer_config(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    return {
        **client_config(settings, client_id),
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": "zstd",
        "partitioner": "murmur2_random",
        "linger.ms": 5,
        "message.max.bytes": settings.max_message_bytes + HEADER_HEADROOM,
        "message.timeout.ms": 30_000,
        "queue.buffering.max.kbytes": 131_072,
    }


class KafkaProducer:
    """Its own thread serves the delivery callbacks, from construction until ``close``.

    A broker that lost its state refuses the idempotence session of a producer for ever, and the client
    retries in vain. So a delivery that times out, or a fatal error, starts a new session; what the old
    one held fails, and the caller sends it again.

    The client raises a fatal error from ``poll`` in place of a callback, and its own ``flush`` would go on
    calling back with that exception raised. So only ``poll`` is used, which then stops.
    """

    def __init__(
        self, config: dict[str, Any], max_message_bytes: int, memory: BrokerMemory | None = None
    ) -> None:
        """``memory`` is told what the broker acknowledges."""
        self._config = config
        self._max_message_bytes = max_message_bytes
        self._memory = memory
        self._session = confluent_kafka.Producer(config)
        self._swap = threading.Lock()
        self._outstanding = 0
        self._delivered = threading.Condition()
        self._broken_by: str | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve_callbacks, name="kafka-delivery", daemon=True)
        self._thread.start()

    def send(self, record: OutgoingRecord, on_delivery: DeliveryCallback | None = None) -> None:
        """:raises BrokerUnavailable: closed, or the buffer stayed full for 10 s."""
        size = len(record.key or b"") + len(record.value or b"")
        if size > self._max_message_bytes:
            raise _too_large(f"{size} bytes, at most {self._max_message_bytes} (KAFKA_MAX_MESSAGE_BYTES)")
        deadline = time.monotonic() + _BUFFER_WAIT_SECONDS
        while True:
            try:
                self._produce(record, on_delivery)
                return
            except BufferError:
                if time.monotonic() > deadline:
                    raise BrokerUnavailable("the send buffer stays full: the broker takes nothing") from None
                self._serve(self._session, 0.05)
            except KafkaException as error:
                raise self._map_error(error.args[0]) from error

    def flush(self, timeout: float) -> int:
        with self._delivered:
            self._delivered.wait_for(lambda: not self._outstanding, timeout)
            return self._outstanding

    def restart(self) -> None:
        """For who sends everything again: what is outstanding fails, and what was acknowledged is forgotten,
        as the broker may have forgotten it and this session too."""
        old = self._swap_session()
        if old is None:
            self._broken_by = self._broken_by or "it was to be started anew"
        else:
            self._abandon(old)
            self._broken_by = None
        if self._memory is not None:
            self._memory.forget()

    def close(self) -> None:
        """Stop at once: ``flush`` first. What is outstanding fails with BrokerUnavailable."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._thread.join()
        with self._swap:  # who waits for it finds the producer closed
            session = self._session
        self._abandon(session)

    def _produce(self, record: OutgoingRecord, on_delivery: DeliveryCallback | None) -> None:
        self._count(1)
        memory = self._memory
        acknowledged = memory.sending() if memory is not None and memory.topic == record.topic else None
        try:
            with self._swap:
                if self._closed.is_set():
                    raise BrokerUnavailable("the producer is closed")
                self._session.produce(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    headers=list(record.headers),
                    on_delivery=self._confirm(on_delivery, acknowledged),
                )
        except BaseException:
            self._count(-1)
            raise

    def _count(self, records: int) -> None:
        with self._delivered:
            self._outstanding += records
            self._delivered.notify_all()

    def _serve_callbacks(self) -> None:
        while not self._closed.is_set():
            self._serve(self._session, _POLL_SECONDS)
            if self._broken_by is not None:
                self._renew(self._broken_by)

    def _serve(self, session: confluent_kafka.Producer, seconds: float) -> None:
        try:
            session.poll(seconds)
        except KafkaException as error:
            self._broken_by = self._broken_by or describe(error)

    def _renew(self, reason: str) -> None:
        """Where no new session can be made, the next turn tries again."""
        old = self._swap_session()
        if old is None:
            return
        log.warning(
            "starting a new producer session: the broker does not take the old one's records",
            extra={"error": reason},
        )
        self._abandon(old)
        self._broken_by = None  # set again by what was abandoned

    def _swap_session(self) -> confluent_kafka.Producer | None:
        """The old one; ``None`` where no new one can be made."""
        try:
            new = confluent_kafka.Producer(self._config)
        except KafkaException as error:  # the machine has no thread left for it
            log.warning("no new producer session can be started yet", extra={"error": describe(error)})
            return None
        with self._swap:
            old, self._session = self._session, new
        return old

    def _abandon(self, session: confluent_kafka.Producer) -> None:
        session.purge()
        deadline = time.monotonic() + _ABANDON_SECONDS
        while len(session) and (left := deadline - time.monotonic()) > 0:
            self._serve(session, left)

    def _confirm(
        self, on_delivery: DeliveryCallback | None, acknowledged: Acknowledged | None
    ) -> Callable[[KafkaError | None, Message], None]:
        def confirm(error: KafkaError | None, message: Message) -> None:
            problem = None if error is None else self._map_error(error)
            if error is None and acknowledged is not None:
                acknowledged(message.partition(), message.offset())
            try:
                if on_delivery is not None:
                    on_delivery(problem)
            except Exception:  # its bug must not end all deliveries
                log.exception("a delivery callback failed")
            finally:
                self._count(-1)

        return confirm

    def _map_error(self, error: KafkaError) -> Exception:
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return _too_large(describe(error))
        if error.fatal() or error.code() in (KafkaError._MSG_TIMED_OUT, KafkaError._FATAL):
            self._broken_by = self._broken_by or describe(error)
        return BrokerUnavailable(describe(error))


def _too_large(detail: str) -> InvalidEvent:
    return InvalidEvent(InvalidReason.TOO_LARGE, detail)
