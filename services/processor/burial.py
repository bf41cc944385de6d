"""Poison records → the dead letter topic, confirmed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from services.processor.work import Poison
from shared.errors import BrokerUnavailable, InvalidEvent
from shared.messaging.dead_letter import DeadLetterQueue
from shared.ports import DeliveryCallback, Producer

_FLUSH_SECONDS = 10.0
_REDUCED = "; only its origin is kept: too large for the dead letter topic"


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
        if poison and not confirmed and not any(_is_reducible(poison[index]) for index in too_large):
            raise BrokerUnavailable(f"{len(poison)} dead letters were not confirmed")
        poison[:] = [
            _reduced(item) if index in too_large else item
            for index, item in enumerate(poison)
            if index not in confirmed
        ]
        return len(confirmed)

    def _send(self, item: Poison, on_delivery: DeliveryCallback) -> None:
        while True:
            try:
                self._enqueue(item, on_delivery)
            except InvalidEvent:
                if not _is_reducible(item):
                    raise
                item = _reduced(item)
            else:
                return

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


def _is_reducible(item: Poison) -> bool:
    return bool(item.record.value or item.record.key or item.record.headers)


def _reduced(item: Poison) -> Poison:
    """Without its value; where it had none, its origin alone."""
    record = replace(item.record, value=None)
    if not item.record.value:
        record = replace(record, key=None, headers=())
    return replace(item, record=record, detail=f"{item.detail.removesuffix(_REDUCED)}{_REDUCED}")
