"""The streams that are open now: how many each client holds, and how they are woken and cut."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum


class Ending(StrEnum):
    """Why a stream ends: ``CUT`` breaks the connection off, as the real service does."""

    GONE = "gone"
    CUT = "cut"
    CUT_MID_EVENT = "cut_mid_event"
    SHUTDOWN = "shutdown"


class TooManyConnections(Exception):
    pass


class Connection:
    def __init__(self) -> None:
        self.ending: Ending | None = None
        self._wake = asyncio.Event()

    def end(self, ending: Ending) -> None:
        self.ending = self.ending or ending
        self._wake.set()

    def wake(self) -> None:
        self._wake.set()

    async def wait(self, seconds: float) -> None:
        """Until something was published or this connection is to end, at most ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()


class Connections:
    """Belongs to the event loop's thread."""

    def __init__(self, most_per_client: int) -> None:
        self._most = most_per_client
        self._open: set[Connection] = set()
        self._per_client: Counter[str] = Counter()
        self._shutting_down = False

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def opened(self, client: str) -> Iterator[Connection]:
        """:raises TooManyConnections: the client holds its share already."""
        if self._per_client[client] >= self._most:
            raise TooManyConnections
        connection = Connection()
        if self._shutting_down:
            connection.end(Ending.SHUTDOWN)
        self._per_client[client] += 1
        self._open.add(connection)
        try:
            yield connection
        finally:
            self._open.discard(connection)
            self._per_client[client] -= 1
            if not self._per_client[client]:
                del self._per_client[client]

    def wake_all(self) -> None:
        for connection in self._open:
            connection.wake()

    def end_all(self, ending: Ending) -> int:
        """How many streams were told to end."""
        self._shutting_down = self._shutting_down or ending is Ending.SHUTDOWN
        for connection in self._open:
            connection.end(ending)
        return len(self._open)
