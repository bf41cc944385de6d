from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing

import pytest

from services.processor.commands import dlq_redrive
from services.processor.commands.dead_letters import ONLY_ORIGIN, SOURCE_EVENT, Place, dead_letter
from services.processor.commands.dlq_redrive import Redriven, Selection, redrive, select_places, select_reason
from services.processor.commands.dlq_show import NoSuchLetter
from services.processor.commands.stopping import Stopped
from shared.errors import BrokerUnavailable
from shared.messaging.memory_broker import MemoryBroker, MemoryProducer
from shared.ports import DeliveryCallback, OutgoingRecord
from tests.support.memory_topic import MemoryTopic
from tests.unit.services.processor.commands.letters import DLQ, an_outgoing_letter
from tests.unit.services.processor.support import FakeClock

STOP = threading.Event()
TARGET = "documents"


@pytest.fixture
def broker() -> MemoryBroker:
    broker = MemoryBroker(max_message_bytes=1_000)
    for number in range(20):
        broker.append(an_outgoing_letter(b"%d" % number, f"test:{number}"))
    broker.append(an_outgoing_letter(b"raw", "a", reason="missing_field", origin="wikimedia:stream"))
    broker.append(an_outgoing_letter(None, "b", reason="too_large"))
    return broker


def all_letters(broker: MemoryBroker) -> Selection:
    return select_reason(MemoryTopic(broker, DLQ), None, STOP)


def send(broker: MemoryBroker, selection: Selection, stop: threading.Event = STOP) -> Redriven:
    with closing(broker.producer()) as producer:
        return redrive(MemoryTopic(broker, DLQ), selection.sendable, producer, TARGET, stop)


def arrived(broker: MemoryBroker) -> list[bytes | None]:
    return sorted((record.value for record in broker.records(TARGET)), key=lambda value: int(value or b"-1"))


def test_every_letter_that_can_go_back_goes_back_once(broker: MemoryBroker) -> None:
    selection = all_letters(broker)
    result = send(broker, selection)
    assert (result.confirmed, result.failures) == (20, {})
    assert arrived(broker) == [b"%d" % number for number in range(20)]
    for record in broker.records(TARGET):
        headers = dict(record.headers)
        assert headers.keys() == {"x", "dlq.redriven"}
        assert headers["x"] == b"kept"
        place = headers["dlq.redriven"].decode().removeprefix(f"{DLQ}/")
        [letter] = [
            record for record in broker.records(DLQ) if f"{record.partition}@{record.offset}" == place
        ]
        assert (letter.key, letter.value) == (record.key, record.value)


def test_those_that_cannot_are_counted_by_their_obstacle(broker: MemoryBroker) -> None:
    assert all_letters(broker).obstacles == {SOURCE_EVENT: 1, ONLY_ORIGIN: 1}


def test_a_reason_selects(broker: MemoryBroker) -> None:
    selection = select_reason(MemoryTopic(broker, DLQ), "too_large", STOP)
    assert (len(selection.sendable), len(selection.unsendable)) == (0, 1)


def test_places_select(broker: MemoryBroker) -> None:
    places = [dead_letter(record).place for record in broker.records(DLQ)[3:9:2]]
    selection = select_places(MemoryTopic(broker, DLQ), places, STOP)
    assert {letter.place for letter in selection.sendable} == set(places)
    assert send(broker, selection).confirmed == 3
    assert len(arrived(broker)) == 3


def test_a_place_without_a_letter_stops_all(broker: MemoryBroker) -> None:
    known = dead_letter(broker.records(DLQ)[0]).place
    with pytest.raises(NoSuchLetter, match="no dead letter at 0@777, 3@999"):
        select_places(MemoryTopic(broker, DLQ), [known, Place(3, 999), Place(0, 777)], STOP)


def test_a_letter_that_came_after_the_selection_stays(broker: MemoryBroker) -> None:
    selection = all_letters(broker)
    broker.append(an_outgoing_letter(b"99", "test:0"))
    send(broker, selection)
    assert b"99" not in arrived(broker)


def test_a_letter_that_is_gone_or_too_large_is_named(broker: MemoryBroker) -> None:
    broker.append(an_outgoing_letter(b"7" * 2_000, "test:large"))
    selection = all_letters(broker)
    [large] = [letter for letter in selection.sendable if letter.size == 2_000]
    gone = broker.records(DLQ)[0]
    broker.log(gone.topic_partition).remove(gone)
    result = send(broker, selection)
    assert result.confirmed == 19
    assert result.failures.keys() == {large.place, dead_letter(gone).place}
    assert "at most 1000" in result.failures[large.place]


class _AwayProducer(MemoryProducer):
    """The broker takes the first ten, and answers for no more."""

    def __init__(
        self, broker: MemoryBroker, answer: Exception | None, stop: threading.Event | None = None
    ) -> None:
        super().__init__(broker)
        self._answer = answer
        self._stop = stop
        self._sent = 0

    def send(self, record: OutgoingRecord, on_delivery: DeliveryCallback | None = None) -> None:
        self._sent += 1
        if self._sent <= 10:
            super().send(record, on_delivery)
        elif self._answer is not None and on_delivery is not None:
            on_delivery(self._answer)

    def flush(self, timeout: float) -> int:
        outstanding = super().flush(timeout)
        if self._stop is not None:
            self._stop.set()
        return outstanding


def test_what_was_not_confirmed_is_not_counted_as_sent(broker: MemoryBroker) -> None:
    selection = all_letters(broker)
    with closing(_AwayProducer(broker, BrokerUnavailable("gone"))) as producer:
        result = redrive(MemoryTopic(broker, DLQ), selection.sendable, producer, TARGET, STOP)
    assert result.confirmed == 10
    assert set(result.failures.values()) == {"gone"}
    assert len(result.failures) == 10


def test_a_signal_while_it_waits_says_how_far_it_came(broker: MemoryBroker) -> None:
    stop = threading.Event()
    selection = all_letters(broker)
    with (
        closing(_AwayProducer(broker, None, stop)) as producer,
        pytest.raises(Stopped, match=r"stopped; 10 of 20 letters were confirmed.*harmless"),
    ):
        redrive(MemoryTopic(broker, DLQ), selection.sendable, producer, TARGET, stop)


class _UnhurriedProducer(MemoryProducer):
    """``between`` passes before each letter; none is answered before the second flush."""

    def __init__(self, broker: MemoryBroker, between: Callable[[], None]) -> None:
        super().__init__(broker)
        self._between = between
        self._unanswered: list[DeliveryCallback] = []
        self._flushes = 0

    def send(self, record: OutgoingRecord, on_delivery: DeliveryCallback | None = None) -> None:
        self._between()
        super().send(record)
        if on_delivery is not None:
            self._unanswered.append(on_delivery)

    def flush(self, timeout: float) -> int:
        self._flushes += 1
        while self._flushes > 1 and self._unanswered:
            self._unanswered.pop()(None)
        return len(self._unanswered)


def test_the_time_that_the_letters_are_apart_is_not_the_brokers(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    monkeypatch.setattr(dlq_redrive, "time", clock)
    selection = all_letters(broker)
    with closing(_UnhurriedProducer(broker, lambda: clock.sleep(100.0))) as producer:
        result = redrive(MemoryTopic(broker, DLQ), selection.sendable, producer, TARGET, STOP)
    assert result.confirmed == 20
