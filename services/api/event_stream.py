"""Server-sent events out of a worker thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Generic, TypeVar

from anyio import move_on_after
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse
from starlette.types import Receive, Scope, Send

from services.api.work import Feed

Item = TypeVar("Item")

KEEP_ALIVE_SECONDS = 10.0
"""Proxies and clients give up on a connection that is silent for half a minute or so."""


class FeedResponse(EventSourceResponse, Generic[Item]):
    """``first`` and all that follows from ``feed``, with comments while that is silent.

    What ends the feed early is told by ``explain``, because the status has been sent by then. When the
    client leaves, the work behind the feed ends.
    """

    def __init__(
        self,
        first: Item,
        feed: Feed[Item],
        encode: Callable[[Item], Iterator[bytes]],
        explain: Callable[[Exception], bytes],
        keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
    ) -> None:
        self._feed = feed
        self._encode = encode
        self._explain = explain
        self._keep_alive_seconds = keep_alive_seconds
        # nginx collects a response before it passes it on, unless told otherwise.
        super().__init__(self._frames(first), headers={"X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feed.leave()

    async def _frames(self, first: Item) -> AsyncIterator[bytes]:
        try:
            for frame in self._encode(first):
                yield frame
            while True:
                with move_on_after(self._keep_alive_seconds) as waiting:
                    try:
                        item = await anext(self._feed)
                    except StopAsyncIteration:
                        return
                if waiting.cancelled_caught:
                    yield KEEPALIVE_COMMENT
                    continue
                for frame in self._encode(item):
                    yield frame
        except Exception as error:  # noqa: BLE001 - told to the client, and logged, by ``explain``
            yield self._explain(error)
