"""Work in threads for clients that may leave. Over real sockets: tests/integration."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest
from anyio import to_thread
from starlette.types import Message, Receive

from services.api.work import ClientGone, Feed, IsGone, run_while_connected
from shared.errors import StoreUnavailable

TIMEOUT = 60.0


async def stays() -> Message:
    """A ``receive`` whose client never leaves."""
    await asyncio.Event().wait()
    raise AssertionError


async def has_left() -> Message:
    return {"type": "http.disconnect"}


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(TIMEOUT):
            await test()

    asyncio.run(bounded())


def numbers(_is_gone: IsGone) -> Generator[int, None, None]:
    yield from range(3)


def test_a_feed_hands_on_what_is_yielded_in_order() -> None:
    async def test() -> None:
        feed = Feed(numbers)
        assert await feed.first(stays) == 0
        assert [item async for item in feed] == [1, 2]

    run(test)


def test_a_feed_raises_what_its_generator_does_after_what_it_yielded() -> None:
    def failing(_is_gone: IsGone) -> Generator[int, None, None]:
        yield 1
        raise StoreUnavailable("away")

    async def test() -> None:
        feed = Feed(failing)
        assert await anext(feed) == 1
        with pytest.raises(StoreUnavailable):
            await anext(feed)

    run(test)


def test_waiting_for_a_feed_can_be_given_up_without_losing_an_item() -> None:
    may_go_on = threading.Event()

    def slow(_is_gone: IsGone) -> Generator[int, None, None]:
        assert may_go_on.wait(TIMEOUT)
        yield 1

    async def test() -> None:
        feed = Feed(slow)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await anext(feed)
        may_go_on.set()
        assert await anext(feed) == 1

    run(test)


def test_a_feed_that_nobody_wants_is_closed_at_its_next_item() -> None:
    closed = threading.Event()

    def endless(_is_gone: IsGone) -> Generator[int, None, None]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    async def test() -> None:
        feed = Feed(endless)
        await anext(feed)
        feed.leave()
        assert await asyncio.to_thread(closed.wait, TIMEOUT)

    run(test)


def test_work_is_done_while_the_client_stays() -> None:
    async def test() -> None:
        assert await run_while_connected(stays, lambda is_gone: is_gone()) is False

    run(test)


def test_an_error_stays_what_it_is_while_the_client_stays() -> None:
    def fail(_is_gone: IsGone) -> None:
        raise StoreUnavailable("away")

    async def test() -> None:
        with pytest.raises(StoreUnavailable):
            await run_while_connected(stays, fail)

    run(test)


def test_work_that_breaks_off_because_the_client_left_says_so() -> None:
    turn = threading.Event()

    def until_gone(is_gone: IsGone) -> None:
        while not is_gone():
            turn.wait(0.001)
        raise StoreUnavailable("whatever it broke off with")

    async def test() -> None:
        with pytest.raises(ClientGone):
            await run_while_connected(has_left, until_gone)

    run(test)


Work = Callable[[IsGone], Generator[int, None, None]]


async def _whole(receive: Receive, work: Work) -> None:
    await run_while_connected(receive, lambda is_gone: list(work(is_gone)))


async def _streamed(receive: Receive, work: Work) -> None:
    await Feed(work).first(receive)


@pytest.mark.parametrize("ask", [_whole, _streamed])
def test_work_whose_client_left_while_all_threads_were_busy_never_begins(
    ask: Callable[[Receive, Work], Coroutine[Any, Any, None]],
) -> None:
    begun: list[bool] = []
    busy, may_end = threading.Event(), threading.Event()

    def occupy() -> None:
        busy.set()
        assert may_end.wait(TIMEOUT)

    def work(is_gone: IsGone) -> Generator[int, None, None]:
        begun.append(is_gone())
        yield 1

    async def test() -> None:
        told = asyncio.Event()

        async def leaves() -> Message:
            told.set()
            return {"type": "http.disconnect"}

        to_thread.current_default_thread_limiter().total_tokens = 1
        occupied = asyncio.create_task(to_thread.run_sync(occupy))
        assert await asyncio.to_thread(busy.wait, TIMEOUT)
        asking = asyncio.create_task(ask(leaves, work))
        await told.wait()
        may_end.set()
        with pytest.raises(ClientGone):
            await asking
        await occupied
        assert begun == []

    run(test)
