from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, Sequence

import pytest

from services.api.line import Line, Waiting

PATIENCE = 60.0  # seconds, for what happens at once on a machine with nothing else to do
_trace: contextvars.ContextVar[str] = contextvars.ContextVar("trace", default="none")


class Work:
    """Doubles numbers; stands still while ``go_on`` is clear."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.traces: list[str] = []
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, waiting: Sequence[Waiting[int]]) -> list[int | Exception]:
        self.batches.append([one.item for one in waiting])
        self.traces += [one.context.run(_trace.get) for one in waiting]
        self.begun.release()
        assert self.go_on.wait(PATIENCE)
        if any(one.item == 13 for one in waiting):
            raise ArithmeticError("thirteen")
        return [ValueError(one.item) if one.item < 0 else 2 * one.item for one in waiting]


def run(scene: Callable[[Work, Line[int, int]], Awaitable[None]], *, threads: int = 1, most: int = 3) -> Work:
    work = Work()
    line: Line[int, int] = Line(work, threads=threads, name="line", most=most)

    async def within_patience() -> None:
        async with asyncio.timeout(PATIENCE):
            await scene(work, line)

    try:
        asyncio.run(within_patience())
    finally:
        work.go_on.set()
        line.close()
    return work


async def _begun(work: Work) -> None:
    assert await asyncio.to_thread(work.begun.acquire, timeout=PATIENCE)


def test_a_call_that_finds_a_thread_idle_goes_alone_and_at_once() -> None:
    async def scene(work: Work, line: Line[int, int]) -> None:
        assert await line.ask(1) == 2
        assert await line.ask(2) == 4

    assert run(scene).batches == [[1], [2]]


def test_what_comes_meanwhile_goes_together_in_order_up_to_the_most() -> None:
    async def scene(work: Work, line: Line[int, int]) -> None:
        work.go_on.clear()
        first = asyncio.create_task(line.ask(0))
        await _begun(work)
        others = [asyncio.create_task(line.ask(number)) for number in range(1, 6)]
        await asyncio.sleep(0)
        work.go_on.set()
        assert await asyncio.gather(first, *others) == [0, 2, 4, 6, 8, 10]

    assert run(scene).batches == [[0], [1, 2, 3], [4, 5]]


def test_two_threads_work_at_the_same_time() -> None:
    async def scene(work: Work, line: Line[int, int]) -> None:
        work.go_on.clear()
        tasks = [asyncio.create_task(line.ask(number)) for number in range(2)]
        await _begun(work)
        await _begun(work)
        work.go_on.set()
        assert await asyncio.gather(*tasks) == [0, 2]

    run(scene, threads=2)


def test_a_call_that_is_cancelled_while_it_waits_is_left_out() -> None:
    async def scene(work: Work, line: Line[int, int]) -> None:
        work.go_on.clear()
        first = asyncio.create_task(line.ask(0))
        await _begun(work)
        gone, stays = asyncio.create_task(line.ask(1)), asyncio.create_task(line.ask(2))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        work.go_on.set()
        assert await asyncio.gather(first, stays) == [0, 4]

    assert run(scene).batches == [[0], [2]]


def test_each_gets_its_own_error_and_all_get_that_of_the_work() -> None:
    async def scene(work: Work, line: Line[int, int]) -> None:
        work.go_on.clear()
        first = asyncio.create_task(line.ask(0))
        await _begun(work)
        others = [asyncio.create_task(line.ask(number)) for number in (-1, 2, 3, 13, 4)]
        await asyncio.sleep(0)
        work.go_on.set()
        done = await asyncio.gather(first, *others, return_exceptions=True)
        assert [type(one) for one in done] == [int, ValueError, int, int, ArithmeticError, ArithmeticError]
        with pytest.raises(ArithmeticError, match="thirteen"):
            await line.ask(13)
        assert await line.ask(5) == 10, "the thread goes on"

    run(scene)


def test_work_runs_in_the_context_of_the_request() -> None:
    async def scene(work: Work, line: Line[int, int]) -> None:
        async def ask(name: str) -> int:
            _trace.set(name)
            return await line.ask(1)

        work.go_on.clear()
        tasks = [asyncio.create_task(ask(name)) for name in ("one", "two", "three")]
        await asyncio.sleep(0)
        work.go_on.set()
        await asyncio.gather(*tasks)

    assert sorted(run(scene).traces) == ["one", "three", "two"]
