"""When a broker has lost what it acknowledged, and when it only looks so."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from shared.messaging.broker_memory import BrokerMemory


@pytest.fixture
def memory() -> BrokerMemory:
    return BrokerMemory("documents")


def acknowledge(memory: BrokerMemory, partition: int, *offsets: int) -> None:
    """One after another."""
    for offset in offsets:
        memory.sending()(partition, offset)


def answer(memory: BrokerMemory, ends: Mapping[int, int], times: int = 1) -> None:
    for _ in range(times):
        memory.asking()(ends)


def test_growing_offsets_and_ends_are_no_loss(memory: BrokerMemory) -> None:
    for offset in range(5):
        acknowledge(memory, 0, offset)
        acknowledge(memory, 1, offset * 7)
        answer(memory, {0: offset + 1, 1: offset * 7 + 1, 2: 0}, times=2)
    assert memory.loss is None


def test_an_offset_that_comes_again_is_a_loss(memory: BrokerMemory) -> None:
    acknowledge(memory, 0, 4, 5)
    acknowledge(memory, 1, 0)
    assert memory.loss is None
    acknowledge(memory, 0, 5)
    assert memory.loss == (
        "topic 'documents' lost records that the broker had acknowledged:"
        " partition 0 gave offset 5 again, after 5"
    )


def test_the_first_thing_that_was_noticed_is_told(memory: BrokerMemory) -> None:
    acknowledge(memory, 0, 5, 0, 1)
    assert memory.loss is not None
    assert memory.loss.endswith("partition 0 gave offset 0 again, after 5")


def test_records_under_way_together_may_be_reported_in_any_order(memory: BrokerMemory) -> None:
    """Two threads serve the callbacks while the buffer is full."""
    reports = [memory.sending() for _ in range(3)]
    for report, offset in zip(reports, (2, 0, 1), strict=True):
        report(0, offset)
    assert memory.loss is None
    acknowledge(memory, 0, 2)
    assert memory.loss is not None, "the highest counts, not the last"


@pytest.mark.parametrize("place", [(0, -1), (0, -1001), (0, None), (None, 3)])
def test_a_report_without_a_place_says_nothing(
    memory: BrokerMemory, place: tuple[int | None, int | None]
) -> None:
    acknowledge(memory, 0, 3)
    memory.sending()(*place)
    answer(memory, {0: 4}, times=2)
    assert memory.loss is None
    acknowledge(memory, 0, 4)
    assert memory.loss is None


@pytest.mark.parametrize("ends", [{}, {0: 0}, {0: 9, 1: 0}, {1: 8}])
def test_an_end_that_went_back_is_a_loss_once_it_is_confirmed(
    memory: BrokerMemory, ends: dict[int, int]
) -> None:
    acknowledge(memory, 0, 6)
    acknowledge(memory, 1, 7)
    answer(memory, {0: 7, 1: 8})
    answer(memory, ends)
    assert memory.loss is None
    answer(memory, ends)
    assert memory.loss is not None


def test_what_is_missing_is_named(memory: BrokerMemory) -> None:
    acknowledge(memory, 0, 6)
    answer(memory, {0: 5, 1: 9})
    answer(memory, {0: 2, 1: 3}, times=2)
    assert memory.loss is not None
    assert memory.loss.partition("acknowledged: ")[2] == (
        "partition 0 ends at 2, not at 7 or beyond, partition 1 ends at 3, not at 9 or beyond"
    )


def test_an_answer_that_was_mended_is_no_loss(memory: BrokerMemory) -> None:
    """A broker that has just started may not know its topics yet."""
    acknowledge(memory, 0, 6)
    for _ in range(3):
        answer(memory, {})
        answer(memory, {0: 7})
    assert memory.loss is None


def test_a_bad_answer_does_not_lower_what_is_expected(memory: BrokerMemory) -> None:
    answer(memory, {0: 7})
    answer(memory, {0: 3})
    answer(memory, {0: 4})
    assert memory.loss is not None


def test_a_crash_before_the_first_answer_is_noticed(memory: BrokerMemory) -> None:
    acknowledge(memory, 0, 6)
    answer(memory, {0: 0}, times=2)
    assert memory.loss is not None


def test_an_end_within_the_newest_batch_is_no_loss(memory: BrokerMemory) -> None:
    """As the local broker answers: the place after the first record of the newest batch."""
    acknowledge(memory, 0, *range(100))
    answer(memory, {0: 1}, times=2)
    acknowledge(memory, 0, *range(100, 150))
    answer(memory, {0: 101}, times=3)
    assert memory.loss is None
    answer(memory, {0: 1}, times=2)
    assert memory.loss is not None


def test_an_empty_topic_has_lost_nothing(memory: BrokerMemory) -> None:
    answer(memory, {}, times=2)
    answer(memory, {0: 0}, times=2)
    answer(memory, {}, times=2)
    assert memory.loss is None


def test_an_acknowledgement_that_overtakes_the_answer_is_no_loss(memory: BrokerMemory) -> None:
    for _ in range(2):
        answered = memory.asking()
        acknowledge(memory, 0, 0)
        answered({0: 0})
        memory.forget()
    answered, again = memory.asking(), memory.asking()
    acknowledge(memory, 0, 0)
    answered({0: 0})
    again({0: 0})
    assert memory.loss is None


def test_what_was_forgotten_is_not_missed(memory: BrokerMemory) -> None:
    acknowledge(memory, 0, 6)
    answer(memory, {0: 7})
    before, asked = memory.sending(), memory.asking()
    answer(memory, {}, times=2)
    assert memory.loss is not None
    memory.forget()
    assert memory.loss is None
    before(0, 2)
    asked({0: 0})
    acknowledge(memory, 0, 0)
    answer(memory, {0: 1}, times=2)
    assert memory.loss is None
    acknowledge(memory, 0, 0)
    assert memory.loss is not None, "it watches on"
