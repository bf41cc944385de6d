from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.resilience.bulkhead import Bulkhead, BulkheadFull, FullReason
from tests.support.processes import wait_until

_LONG = 60.0


def test_so_many_at_once_and_so_many_waiting() -> None:
    bulkhead = Bulkhead(2, 1, _LONG)
    leave = threading.Event()
    entered: list[int] = []

    def work(number: int) -> None:
        with bulkhead.slot():
            entered.append(number)
            leave.wait(_LONG)

    with ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(work, number) for number in range(3)]
        wait_until(lambda: bulkhead.active == 2 and bulkhead.waiting == 1, _LONG, "two at work, one waiting")
        assert len(entered) == 2
        with pytest.raises(BulkheadFull) as caught, bulkhead.slot():
            pass
        assert caught.value.reason is FullReason.QUEUE_FULL
        leave.set()
        for worker in workers:
            worker.result(_LONG)
    assert sorted(entered) == [0, 1, 2]
    assert (bulkhead.active, bulkhead.waiting) == (0, 0)


def test_nobody_waits_longer_than_allowed() -> None:
    bulkhead = Bulkhead(1, 5, 0.01)
    with bulkhead.slot():
        with pytest.raises(BulkheadFull) as caught, bulkhead.slot():
            pass
        assert caught.value.reason is FullReason.QUEUE_TIMEOUT
        assert bulkhead.waiting == 0
    with bulkhead.slot():
        assert bulkhead.active == 1


def test_a_body_that_fails_gives_its_slot_back() -> None:
    bulkhead = Bulkhead(1, 0, 0.0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), bulkhead.slot():
            raise ZeroDivisionError
    assert bulkhead.active == 0


def test_who_asked_first_is_first_and_newcomers_do_not_pass() -> None:
    bulkhead = Bulkhead(1, 10, _LONG)
    order: list[int] = []

    def work(number: int) -> None:
        with bulkhead.slot():
            order.append(number)

    with ThreadPoolExecutor(8) as pool, bulkhead.slot():
        for number in range(8):
            pool.submit(work, number)
            wait_until(lambda number=number: bulkhead.waiting == number + 1, _LONG, f"{number} waits")
    assert order == list(range(8))
