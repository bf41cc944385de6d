"""Synchronous work in a worker thread, for a client that may leave before it is done."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from anyio import to_thread
from starlette.types import Receive

Item = TypeVar("Item")
Result = TypeVar("Result")
IsGone = Callable[[], bool]
"""Whether the client has left. Safe to call from any thread."""


class ClientGone(Exception):
    """Nobody is there to be answered."""


async def run_while_connected(receive: Receive, work: Callable[[IsGone], Result]) -> Result:
    """What ``work`` returns; its argument turns true when the client leaves.

    :raises ClientGone: it left, and ``work`` broke off, or did not begin.
    """
    gone = threading.Event()

    def run() -> Result:
        if gone.is_set():  # while all threads were busy
            raise ClientGone
        return work(gone.is_set)

    async with _told_when_client_leaves(receive, gone.set):
        try:
            return await to_thread.run_sync(run)
        except Exception as error:
            if gone.is_set():
                raise ClientGone from error
            raise
        finally:
            gone.set()


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


class _Ended:
    pass


class Feed(AsyncIterator[Item]):
    """What a generator yields in a worker thread, as it comes, in the event loop that this is made in.

    ``produce`` gets a function that turns true once nobody wants more; the generator is closed then, at
    its next item at the latest.
    """

    def __init__(self, produce: Callable[[IsGone], Generator[Item, None, None]]) -> None:
        self._produce = produce
        self._gone = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Item | _Failed | _Ended] = asyncio.Queue()
        self._task = asyncio.create_task(self._work())

    async def __anext__(self) -> Item:
        """Raises what ended the generator early. May be cancelled without losing an item."""
        item = await self._queue.get()
        if isinstance(item, _Ended):
            raise StopAsyncIteration
        if isinstance(item, _Failed):
            raise item.error
        return item

    async def first(self, receive: Receive) -> Item:
        """As ``anext``, before there is a response that notices by itself that its client leaves.

        :raises ClientGone: it left.
        """
        async with _told_when_client_leaves(receive, self.leave):
            try:
                return await anext(self)
            except Exception as error:
                if self._gone.is_set():
                    raise ClientGone from error
                raise
            except asyncio.CancelledError:
                self.leave()
                raise

    def leave(self) -> None:
        """Nobody wants more. Calling it again, or after the end, does nothing."""
        self._gone.set()

    async def _work(self) -> None:
        try:
            await to_thread.run_sync(self._run)
        except Exception as error:  # noqa: BLE001 - carried to whoever reads the feed
            self._queue.put_nowait(_Failed(error))
        else:
            self._queue.put_nowait(_Ended())

    def _run(self) -> None:
        if self._gone.is_set():  # while all threads were busy
            return
        with closing(self._produce(self._gone.is_set)) as items:
            for item in items:
                if self._gone.is_set():
                    return
                self._loop.call_soon_threadsafe(self._queue.put_nowait, item)


@contextlib.asynccontextmanager
async def _told_when_client_leaves(receive: Receive, tell: Callable[[], None]) -> AsyncIterator[None]:
    """The request's body must have been read: whatever ``receive`` has after it is the end."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        tell()

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        watcher.cancel()
