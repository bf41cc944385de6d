"""Threads that do the same again and again, beside a test."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hammer:
    rounds: list[int]
    """How often each call has returned."""
    threads: list[Future[None]]

    def goes_on(self) -> bool:
        """No call has failed."""
        return not any(thread.done() for thread in self.threads)


@contextlib.contextmanager
def hammering(*calls: Callable[[], object]) -> Iterator[Hammer]:
    """Each call in a thread of its own, until the block ends or a call fails; then its error is raised."""
    stop = threading.Event()
    rounds = [0] * len(calls)

    def repeat(number: int) -> None:
        while not stop.is_set():
            calls[number]()
            rounds[number] += 1

    with ThreadPoolExecutor(len(calls)) as pool:
        threads = [pool.submit(repeat, number) for number in range(len(calls))]
        try:
            yield Hammer(rounds, threads)
        finally:
            stop.set()
    for thread in threads:
        thread.result()


def in_threads(check: Callable[[], bool], *, times: int) -> list[bool]:
    """What each of so many calls from each of four threads gave."""
    with ThreadPoolExecutor(4) as threads:
        results = [threads.submit(lambda: [check() for _ in range(times)]) for _ in range(4)]
        return [passed for result in results for passed in result.result()]
