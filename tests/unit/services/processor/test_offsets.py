from __future__ import annotations

import random

from services.processor.offsets import Ledger
from shared.ports import TopicPartition
from tests.unit.services.processor.support import a_record

ZERO, ONE = TopicPartition("documents", 0), TopicPartition("documents", 1)


def test_an_offset_waits_for_all_before_it_on_its_partition() -> None:
    ledger = Ledger()
    first, second, third = ledger.take([a_record(b"", 4, 0), a_record(b"", 5, 0), a_record(b"", 9, 1)])
    second.done = third.done = True
    assert ledger.done() == {ONE: 10}
    first.done = True
    assert ledger.done() == {ZERO: 6, ONE: 10}


def test_in_whatever_order_tickets_are_done_nothing_unfinished_is_committed() -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    ledger = Ledger()
    tickets = ledger.take([a_record(b"x", offset, offset % 2) for offset in range(100)])
    for ticket in rng.sample(tickets, len(tickets)):
        ticket.done = True
        done = ledger.done()
        for other in tickets:
            if other.record.offset < done.get(other.record.topic_partition, 0):
                assert other.done, f"seed {seed}"
    assert ledger.done() == {ZERO: 99, ONE: 100}
    assert ledger.bytes_in_flight == 0


def test_what_was_committed_is_not_committed_again() -> None:
    ledger = Ledger()
    first, second = ledger.take([a_record(b"", 4, 0), a_record(b"", 5, 0)])
    first.done = True
    ledger.committed(ledger.done())
    assert ledger.done() == {}
    second.done = True
    later = ledger.done()
    ledger.committed({ZERO: 5})
    assert ledger.done() == later == {ZERO: 6}


def test_forgotten_partitions_are_abandoned_and_never_committed() -> None:
    ledger = Ledger()
    tickets = ledger.take([a_record(b"xy", 4, 0), a_record(b"xyz", 5, 0), a_record(b"x", 9, 1)])
    tickets[0].done = tickets[2].done = True
    ledger.done()
    ledger.forget({ZERO})
    assert [ticket.abandoned for ticket in tickets] == [False, True, False]
    tickets[1].done = True
    assert ledger.done() == {ONE: 10}
    assert ledger.bytes_in_flight == 0
    ledger.forget()
    assert ledger.done() == {}


def test_a_ticket_of_an_earlier_assignment_does_not_vouch_for_the_record_read_again() -> None:
    ledger = Ledger()
    [before] = ledger.take([a_record(b"before", 4, 0)])
    ledger.forget({ZERO})
    [again] = ledger.take([a_record(b"again", 4, 0)])
    before.done = True
    assert ledger.done() == {}
    again.done = True
    assert ledger.done() == {ZERO: 5}
