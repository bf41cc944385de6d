"""Calls of many requests, worked off by a few threads: each takes what has queued up, as one batch.

A request with a thread of its own hands the interpreter over several times, which costs more than its work.
Here a thread is woken once for many.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_AT_ONCE = 16
"""Half of what 32 clients ask: one half is embedded while the other is looked up."""


@dataclass(frozen=True, slots=True)
class Waiting(Generic[Item]):
    """``context``: that of the request, with its span."""

    item: Item
    context: contextvars.Context


@dataclass(frozen=True, slots=True)
class _Call(Generic[Item, Result]):
    waiting: Waiting[Item]
    future: asyncio.Future[Result]
    loop: asyncio.AbstractEventLoop


class Line(Generic[Item, Result]):
    """A call that finds a thread idle begins at once, alone; what comes while all are busy goes together,
    in order, up to ``most`` at a time. Threads are started by the first calls."""

    def __init__(
        self,
        work: Callable[[Sequence[Waiting[Item]]], Sequence[Result | Exception]],
        *,
        threads: int,
        name: str,
        most: int = MOST_AT_ONCE,
    ) -> None:
        """``work`` gives a result, or what went wrong, for each item in order; what it raises, each gets."""
        self._work = work
        self._most = most
        self._idle = threads
        self._calls: deque[_Call[Item, Result]] = deque()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def ask(self, item: Item) -> Result:
        """Raises what ``work`` has for it. A call that is cancelled while it waits is left out."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        call = _Call(Waiting(item, contextvars.copy_context()), future, loop)
        with self._lock:
            self._calls.append(call)
            begin = self._idle > 0
            self._idle -= begin
        if begin:
            self._pool.submit(self._work_off)
        return await call.future

    def close(self) -> None:
        """Wait for what has begun."""
        self._pool.shutdown()

    def _work_off(self) -> None:
        while batch := self._next():
            calls = [call for call in batch if not call.future.cancelled()]
            if not calls:
                continue
            try:
                results = self._work([call.waiting for call in calls])
            except Exception as error:  # noqa: BLE001 - carried to whoever asked
                results = [error] * len(calls)
            for loop in {call.loop for call in calls}:
                done = [pair for pair in zip(calls, results, strict=True) if pair[0].loop is loop]
                loop.call_soon_threadsafe(_settle, done)

    def _next(self) -> list[_Call[Item, Result]]:
        """None: this thread is idle from now on."""
        with self._lock:
            batch = [self._calls.popleft() for _ in range(min(self._most, len(self._calls)))]
            self._idle += not batch
            return batch


def _settle(done: Sequence[tuple[_Call[Item, Result], Result | Exception]]) -> None:
    for call, result in done:
        if call.future.cancelled():
            continue
        if isinstance(result, Exception):
            call.future.set_exception(result)
        else:
            call.future.set_result(result)
