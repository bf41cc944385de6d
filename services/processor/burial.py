"""Poison records → the dead letter topic, confirmed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from services.processor.spans import record_span
from services.processor.work import Poison
from shared.errors import BrokerUnavailable, InvalidEvent
from shared.messaging.dead_letter import DeadLetterQueue
from shared.ports import DeliveryCallback, Producer

_FLUSH_SECONDS = 10.0


class Burial:
    def __init__(self, dead_letters: DeadLetterQueue, producer: Producer) -> None:
        self._dead_letters = dead_letters
        self._producer = producer

    def bury(self, poison: list[Poison]) -> int:
        """Remove from ``poison`` what the broker has confirmed, and mark it done; how many those were.

        :raises BrokerUnavailable: none was confirmed in time.
        """
        answers: dict[int, Exception | None] = {}
        for index, item in enumerate(poison):
            self._send(item, partial(answers.__setitem__, index))
        self._producer.flush(_FLUSH_SECONDS)
        known = answers.copy()
        confirmed = {index for index, error in known.items() if error is None}
        for index in confirmed:
            poison[index].ticket.done = True
        too_large = {index for index, error in known.items() if isinstance(error, InvalidEvent)}
        if poison and not confirmed and not any(poison[index].record.value for index in too_large):
            raise BrokerUnavailable(f"{len(poison)} dead letters were not confirmed")
        poison[:] = [
            _origin_only(item) if index in too_large else item
            for index, item in enumerate(poison)
            if index not in confirmed
        ]
        return len(confirmed)

    def _send(self, item: Poison, on_delivery: DeliveryCallback) -> None:
        with record_span(item.record):
            try:
                self._enqueue(item, on_delivery)
            except InvalidEvent:
                self._enqueue(_origin_only(item), on_delivery)

    def _enqueue(self, item: Poison, on_delivery: DeliveryCallback) -> None:
        record = item.record
        self._dead_letters.send(
            value=record.value,
            reason=item.reason,
            detail=item.detail,
            key=record.key,
            headers=record.headers,
            origin=f"{record.topic}/{record.partition}@{record.offset}",
            on_delivery=on_delivery,
        )


def _origin_only(item: Poison) -> Poison:
    detail = f"{item.detail}; only its origin is kept: too large for the dead letter topic"
    return replace(item, record=replace(item.record, value=None), detail=detail)
