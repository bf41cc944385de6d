"""A message as the Kafka client returns it, for what a broker cannot be made to do on demand."""

from __future__ import annotations

from dataclasses import dataclass

from confluent_kafka import TIMESTAMP_CREATE_TIME, KafkaError


@dataclass(frozen=True, slots=True)
class ScriptedMessage:
    """A record of partition 0; with ``problem`` it is an error that came between the records."""

    position: int
    problem: KafkaError | None = None

    def error(self) -> KafkaError | None:
        return self.problem

    def topic(self) -> str:
        return "documents"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.position

    def key(self) -> bytes:
        return b"key"

    def value(self) -> bytes:
        return b"value"

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP_CREATE_TIME, 0
