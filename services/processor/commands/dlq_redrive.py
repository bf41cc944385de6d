"""``dlq redrive``: dead letters go back to the document topic, each one confirmed."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from services.processor.commands.dead_letters import DeadLetter, Place, dead_letter, redriven
from services.processor.commands.dlq_show import no_such_letter
from services.processor.commands.progress import Progress
from services.processor.commands.stopping import Stopped, check
from services.processor.commands.topic_scan import OpenTopic, read_records
from shared.errors import BrokerUnavailable, InvalidEvent
from shared.ports import Producer, Record

_FLUSH_SECONDS = 0.25
_SILENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Selection:
    """The letters meant, by whether they can be sent back."""

    sendable: list[DeadLetter]
    unsendable: list[DeadLetter]

    @property
    def obstacles(self) -> Counter[str]:
        return Counter(letter.obstacle for letter in self.unsendable if letter.obstacle)


@dataclass(slots=True)
class Redriven:
    """``failures``: what did not get through, and why."""

    confirmed: int = 0
    failures: dict[Place, str] = field(default_factory=dict)

    @property
    def settled(self) -> int:
        return self.confirmed + len(self.failures)


def select_places(topic: OpenTopic, places: Collection[Place], stop: threading.Event) -> Selection:
    """:raises NoSuchLetter: one of them holds none."""
    starts = _starts(places)
    wanted = frozenset(places)
    found = _selection(topic, stop, lambda letter: letter.place in wanted, starts, len(wanted))
    missing = wanted - {letter.place for letter in (*found.sendable, *found.unsendable)}
    if missing:
        raise no_such_letter(sorted(missing))
    return found


def select_reason(topic: OpenTopic, reason: str | None, stop: threading.Event) -> Selection:
    """``None``: every letter."""
    return _selection(topic, stop, lambda letter: reason in (None, letter.reason))


def redrive(
    topic: OpenTopic, letters: Sequence[DeadLetter], producer: Producer, target: str, stop: threading.Event
) -> Redriven:
    """Send exactly ``letters`` to the topic ``target``, and wait for the confirmation of each.

    :raises Stopped: a signal has arrived; the message says how many are confirmed.
    :raises BrokerUnavailable: there was no answer for a minute.
    """
    places = {letter.place for letter in letters}
    shipment = _Shipment(producer, target)
    try:
        with Progress("sending back", "letters") as progress:
            for record in _records(topic, places, stop):
                shipment.send(record)
                progress.show(shipment.result.confirmed, len(places))
            while shipment.outstanding:
                check(stop)
                shipment.wait()
                progress.show(shipment.result.confirmed, len(places))
    except Stopped:
        done = f"{shipment.result.confirmed} of {len(places)} letters were confirmed"
        raise Stopped(
            f"stopped; {done}, the others may have been sent: redriving twice is harmless"
        ) from None
    for place in places - shipment.sent:
        shipment.result.failures[place] = "it is gone"
    return shipment.result


class _Shipment:
    """Deliveries are answered from another thread, and counted in this one."""

    def __init__(self, producer: Producer, target: str) -> None:
        self._producer = producer
        self._target = target
        self._answers: queue.SimpleQueue[tuple[Place, Exception | None]] = queue.SimpleQueue()
        self._waiting_since = time.monotonic()
        self.sent: set[Place] = set()
        self.result = Redriven()

    @property
    def outstanding(self) -> int:
        return len(self.sent) - self.result.settled

    def send(self, record: Record) -> None:
        place = Place(record.partition, record.offset)
        self.sent.add(place)
        try:
            self._producer.send(
                redriven(record, self._target), lambda error: self._answers.put((place, error))
            )
        except InvalidEvent as error:
            self._answers.put((place, error))
        self._waiting_since = time.monotonic()
        self._count()

    def wait(self) -> None:
        """For a moment.

        :raises BrokerUnavailable: the broker has been silent for a minute since the last letter was sent.
        """
        self._producer.flush(_FLUSH_SECONDS)
        self._count()
        if time.monotonic() - self._waiting_since > _SILENCE_SECONDS:
            raise BrokerUnavailable(f"{self.outstanding} of {len(self.sent)} letters were not confirmed")

    def _count(self) -> None:
        while not self._answers.empty():
            place, error = self._answers.get()
            self._waiting_since = time.monotonic()
            if error is None:
                self.result.confirmed += 1
            else:
                self.result.failures[place] = str(error)


def _records(topic: OpenTopic, places: set[Place], stop: threading.Event) -> Iterator[Record]:
    left = set(places)
    for record in read_records(topic, "reading them again", stop, _starts(places)):
        place = Place(record.partition, record.offset)
        if place in left:
            left.remove(place)
            yield record
        if not left:
            return


def _starts(places: Collection[Place]) -> dict[int, int]:
    """The first offset of each partition that matters."""
    starts: dict[int, int] = {}
    for partition, offset in places:
        starts[partition] = min(offset, starts.get(partition, offset))
    return starts


def _selection(
    topic: OpenTopic,
    stop: threading.Event,
    matches: Callable[[DeadLetter], bool],
    starts: dict[int, int] | None = None,
    limit: int | None = None,
) -> Selection:
    selection = Selection([], [])
    for record in read_records(topic, "reading dead letters", stop, starts):
        letter = dead_letter(record)
        if matches(letter):
            (selection.unsendable if letter.obstacle else selection.sendable).append(letter)
            if limit == len(selection.sendable) + len(selection.unsendable):
                break
    return selection
