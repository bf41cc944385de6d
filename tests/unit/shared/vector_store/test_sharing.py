from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from shared.vector_store.faiss_store.sharing import SharedLock
from tests.support.processes import wait_until

PATIENCE = 30.0


def test_many_share_at_the_same_time() -> None:
    lock = SharedLock()
    together = threading.Barrier(3)

    def share(_: int) -> None:
        with lock.shared():
            together.wait(PATIENCE)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(share, range(3)))


def test_nobody_shares_what_one_has_alone() -> None:
    lock = SharedLock()
    inside = {"sharing": 0, "alone": 0}
    guard = threading.Lock()

    def enter(kind: str) -> None:
        with guard:
            inside[kind] += 1
            assert not (inside["alone"] and inside["sharing"])

    def leave(kind: str) -> None:
        with guard:
            inside[kind] -= 1

    def share() -> None:
        for _ in range(100):
            with lock.shared():
                enter("sharing")
                time.sleep(0.000_1)  # lets the others in, if nothing else keeps them out
                leave("sharing")

    def change() -> None:
        for _ in range(100):
            with lock.exclusive():
                enter("alone")
                time.sleep(0.000_1)
                leave("alone")

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(call) for call in (share, share, share, change)]:
            future.result(PATIENCE)


def test_who_wants_it_alone_goes_before_those_that_come_later() -> None:
    lock = SharedLock()
    order: list[str] = []

    def alone() -> None:
        with lock.exclusive():
            order.append("alone")

    def later() -> None:
        with lock.shared():
            order.append("later")

    with ThreadPoolExecutor(2) as pool:
        with lock.shared():
            waiting = pool.submit(alone)
            wait_until(lambda: bool(lock._alone) or "alone" in order, PATIENCE, "somebody wants it alone")
            after = pool.submit(later)
            order.append("first leaves")
        waiting.result(PATIENCE)
        after.result(PATIENCE)
    assert order == ["first leaves", "alone", "later"]
