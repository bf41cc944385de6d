from __future__ import annotations

import random
import threading

import pytest

from services.producer.cursor import DeliveryTracker
from services.producer.resume import Position

START = Position(0)


def at(number: int) -> Position:
    return Position(0, f"id-{number}")


def test_it_starts_where_it_is_told() -> None:
    assert DeliveryTracker(START, 10).position == START


def test_an_acknowledgement_ahead_of_its_turn_does_not_move_the_cursor() -> None:
    tracker = DeliveryTracker(START, 10)
    first, second = tracker.open(at(1)), tracker.open(at(2))
    second.done()
    assert tracker.position == START
    first.done()
    assert tracker.position == at(2)


def test_an_event_of_two_records_needs_both() -> None:
    tracker = DeliveryTracker(START, 10)
    ticket = tracker.open(at(1), parts=2)
    ticket.done()
    assert tracker.position == START
    ticket.done()
    assert tracker.position == at(1)


def test_an_event_without_a_position_leaves_the_cursor_at_the_last_good_one() -> None:
    tracker = DeliveryTracker(START, 10)
    tracker.open(at(1)).done()
    tracker.open(None).done()
    assert tracker.position == at(1)
    assert tracker.outstanding == 0


@pytest.mark.parametrize("seed", range(50))
def test_the_cursor_is_the_longest_acknowledged_prefix_in_any_order(seed: int) -> None:
    rng = random.Random(seed)
    tracker = DeliveryTracker(START, 1_000)
    parts = [rng.randint(1, 3) for _ in range(60)]
    tickets = [tracker.open(at(number), parts=count) for number, count in enumerate(parts)]
    acknowledgements = [number for number, count in enumerate(parts) for _ in range(count)]
    rng.shuffle(acknowledgements)
    remaining = list(parts)
    for number in acknowledgements:
        tickets[number].done()
        remaining[number] -= 1
        prefix = next((n for n, left in enumerate(remaining) if left), len(parts))
        assert tracker.position == (at(prefix - 1) if prefix else START), f"seed {seed}"
        assert tracker.outstanding == len(parts) - prefix, f"seed {seed}"


def test_it_makes_the_reader_wait_while_too_much_is_outstanding() -> None:
    tracker = DeliveryTracker(START, 2)
    first = tracker.open(at(1))
    tracker.open(at(2))
    assert not tracker.wait_for_room(0)
    waiting = threading.Thread(target=first.done)
    waiting.start()
    assert tracker.wait_for_room(10)
    waiting.join()
