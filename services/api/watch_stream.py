"""A standing question over HTTP: ``watching``, then ``evidence``, ``withdrawn``, ``answer``; ``ended``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from anyio import move_on_after, to_thread
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.types import Receive, Scope, Send

from services.api.error_handlers import explain_failure
from services.api.event_stream import KEEP_ALIVE_SECONDS
from services.api.schemas import AskResponse
from services.api.watch_schemas import EndedEvent, EvidenceEvent, WatchingEvent, WithdrawnEvent
from services.api.watching.events import Ended, NewEvidence, Progress, WatchEvent, Watching, Withdrawn
from shared.ports import Clock

MOST_UNREAD = 1_000


class Inbox:
    """What the board delivers, in the event loop that this is made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[WatchEvent] = asyncio.Queue()

    def deliver(self, event: WatchEvent) -> None:
        """From any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has closed, so nobody reads any more
            self._loop.call_soon_threadsafe(self._accept, event)

    async def next(self) -> WatchEvent:
        return await self._events.get()

    @property
    def empty(self) -> bool:
        return self._events.empty()

    def _accept(self, event: WatchEvent) -> None:
        """Who reads too slowly is sent away, and comes back to where he was."""
        if self._events.qsize() < MOST_UNREAD:
            self._events.put_nowait(event)
        elif self._events.qsize() == MOST_UNREAD:
            self._events.put_nowait(Ended("too many unread events; connect again with Last-Event-ID"))


@dataclass(frozen=True, slots=True)
class Standing:
    """``left_out``: the words of ``question`` that are not matched. ``answer``: answers it as of now, in the
    calling thread; ``None``: not wanted."""

    question: str
    left_out: str | None
    inbox: Inbox
    answer: Callable[[], AskResponse] | None


class WatchResponse(EventSourceResponse):
    """``leave`` is called when the client has left, or the board ended it."""

    def __init__(
        self,
        standing: Standing,
        clock: Clock,
        leave: Callable[[], None],
        keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
    ) -> None:
        self._standing = standing
        self._clock = clock
        self._leave = leave
        self._keep_alive_seconds = keep_alive_seconds
        self._position: str | None = None
        self._told: tuple[str, str] | None = None
        super().__init__(self._frames(), headers={"X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()

    async def _frames(self) -> AsyncIterator[bytes]:
        changed = False
        while True:
            with move_on_after(self._keep_alive_seconds) as waiting:
                event = await self._standing.inbox.next()
            if waiting.cancelled_caught:
                # An id without data moves the place that a client comes back to.
                yield format_sse_event(comment="still watching", id=self._position)
                continue
            if isinstance(event, Ended):
                yield _frame("ended", EndedEvent(reason=event.reason).model_dump_json(), None)
                return
            self._position = event.position
            frame = self._encode(event)
            if frame is not None:
                changed = True
                yield frame
            if changed and self._standing.inbox.empty:
                changed = False
                async for frame in self._answer():
                    yield frame

    def _encode(self, event: Watching | NewEvidence | Withdrawn | Progress) -> bytes | None:
        if isinstance(event, Watching):
            began = WatchingEvent(
                question=self._standing.question, left_out=self._standing.left_out, gap=event.gap
            )
            return _frame("watching", began.model_dump_json(), event.position)
        if isinstance(event, NewEvidence):
            told = EvidenceEvent.of(event.evidence, self._clock.now()).model_dump_json()
            return _frame("evidence", told, event.position)
        if isinstance(event, Withdrawn):
            gone = WithdrawnEvent(document_id=event.document_id).model_dump_json()
            return _frame("withdrawn", gone, event.position)
        return None

    async def _answer(self) -> AsyncIterator[bytes]:
        """The new answer, if it is wanted and another one than was told."""
        if self._standing.answer is None:
            return
        try:
            response = await to_thread.run_sync(self._standing.answer)
        except Exception as error:  # noqa: BLE001 - told to the client, and logged, by ``explain_failure``
            yield _frame("error", bytes(explain_failure(error).body).decode(), self._position)
            return
        if (response.outcome.value, response.answer) != self._told:
            self._told = response.outcome.value, response.answer
            yield _frame("answer", response.model_dump_json(), self._position)


def _frame(name: str, data: str, position: str | None) -> bytes:
    return format_sse_event(event=name, data_str=data, id=position)
