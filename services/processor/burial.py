"""Poison records → the dead letter topic, confirmed."""

from __future__ import annotations

from functools import partial

from services.processor.batch import Poison
from services.processor.spans import record_span
from shared.errors import BrokerUnavailable, InvalidEvent, InvalidReason
from shared.messaging.dead_letter import DeadLetterQueue
from shared.ports import DeliveryCallback, Producer, Record

_FLUSH_SECONDS = 10.0


class Burial:
    def __init__(self, dead_letters: DeadLetterQueue, producer: Producer) -> None:
        self._dead_letters = dead_letters
        self._producer = producer

    def bury(self, poison: list[Poison]) -> int:
        """Remove from ``poison`` what the broker has confirmed; how many those were.

        :raises BrokerUnavailable: none was confirmed in time.
        """
        answers: dict[int, Exception | None] = {}
        for index, item in enumerate(poison):
            self._send(item, partial(answers.__setitem__, index))
        self._producer.flush(_FLUSH_SECONDS)
        confirmed = {index for index, error in answers.copy().items() if error is None}
        left = [item for index, item in enumerate(poison) if index not in confirmed]
        if len(left) == len(poison) > 0:
            raise BrokerUnavailable(f"{len(left)} dead letters were not confirmed")
        poison[:] = left
        return len(confirmed)

    def _send(self, item: Poison, on_delivery: DeliveryCallback) -> None:
        record = item.record
        with record_span(record):
            try:
                self._enqueue(record, record.value, item.reason, item.detail, on_delivery)
            except InvalidEvent:
                detail = f"{item.detail}; only its origin is kept: too large for the dead letter topic"
                self._enqueue(record, None, item.reason, detail, on_delivery)

    def _enqueue(
        self,
        record: Record,
        value: bytes | None,
        reason: InvalidReason,
        detail: str,
        on_delivery: DeliveryCallback,
    ) -> None:
        self._dead_letters.send(
            value=value,
            reason=reason,
            detail=detail,
            key=record.key,
            headers=record.headers,
            origin=f"{record.topic}/{record.partition}@{record.offset}",
            on_delivery=on_delivery,
        )
