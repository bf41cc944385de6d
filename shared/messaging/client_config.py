"""What every Kafka client has in common: address, logs, error names."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from shared.settings import KafkaSettings

HEADER_HEADROOM = 65_536
"""Bytes that record headers may add to ``KAFKA_MAX_MESSAGE_BYTES``, so that a record of that size can
still travel on to the dead letter topic with its reason."""

_REPEAT_AFTER = 30.0


class ClientLog:
    """The ``logger`` of a Kafka client; says the same thing at most every 30 s.

    While a broker is away librdkafka logs each attempt to connect.
    """

    def __init__(self, name: str) -> None:
        self._log = logging.getLogger(name)
        self._lock = threading.Lock()
        self._said: dict[tuple[int, str], float] = {}

    def log(self, level: int, _format: str, facility: str, client: str, message: str) -> None:
        now = time.monotonic()
        with self._lock:
            last = self._said.get((level, facility))
            if last is not None and now - last < _REPEAT_AFTER:
                return
            self._said[level, facility] = now
        level = min(level, logging.WARNING)  # what is fatal comes as an exception
        self._log.log(level, message, extra={"facility": facility, "client": client})


def client_config(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": client_id,
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 2000,
        "socket.keepalive.enable": True,
        "log.connection.close": False,
        "logger": ClientLog("shared.messaging.librdkafka"),
    }


def describe(error: KafkaError | KafkaException) -> str:
    """One line: ``_TRANSPORT: Broker transport failure``."""
    if isinstance(error, KafkaException):
        error = error.args[0]
    return f"{error.name()}: {error.str()}" if isinstance(error, KafkaError) else str(error)
