from __future__ import annotations

import threading

from services.api.retrieval.lanes import Lanes
from tests.support.processes import wait_until

PATIENCE = 20.0


def test_no_more_than_its_width_are_inside_and_all_get_in() -> None:
    lanes = Lanes(2)
    lock = threading.Lock()
    inside, most, done = 0, 0, 0
    two_are_in, leave = threading.Barrier(3), threading.Event()

    def work(first: bool) -> None:
        nonlocal inside, most, done
        with lanes.enter():
            with lock:
                inside += 1
                most = max(most, inside)
            if first:
                two_are_in.wait(PATIENCE)
                leave.wait(PATIENCE)
            with lock:
                inside -= 1
                done += 1

    threads = [threading.Thread(target=work, args=(number < 2,)) for number in range(12)]
    for thread in threads[:2]:
        thread.start()
    two_are_in.wait(PATIENCE)
    for thread in threads[2:]:
        thread.start()
    wait_until(lambda: lanes.inside == 12, PATIENCE, "all others waiting")
    assert inside == 2
    leave.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert (most, done) == (2, 12)


def test_it_says_whether_anybody_else_is_there_even_after_an_error() -> None:
    lanes = Lanes(2)
    with lanes.enter() as first, lanes.enter() as second:
        assert first
        assert not second
    try:
        with lanes.enter():
            raise ValueError
    except ValueError:
        pass
    with lanes.enter() as alone:
        assert alone
