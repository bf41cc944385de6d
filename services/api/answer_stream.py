"""A streamed answer as ``/v1/ask`` tells it: ``sources``, ``token``…, then ``done`` or ``error``."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi.sse import format_sse_event
from pydantic import BaseModel

from services.api.answering.events import AnswerEvent, Piece, Sources
from services.api.answering.time_window import TimeWindow
from services.api.error_handlers import explain_failure
from services.api.schemas import (
    AskResponse,
    CitationBody,
    SourceBody,
    SourcesEvent,
    TokenEvent,
    WindowBody,
)
from shared.ports import Clock


class AnswerEncoder:
    """``trace_id`` and ages are those of the moment in which an event is sent."""

    def __init__(self, clock: Clock, window: TimeWindow | None) -> None:
        self._clock = clock
        self._window = window

    def encode(self, event: AnswerEvent) -> Iterator[bytes]:
        now = self._clock.now()
        if isinstance(event, Sources):
            sources = [SourceBody.of(item, now) for item in event.evidence]
            yield _frame(
                "sources",
                SourcesEvent(sources=sources, as_of=event.as_of, window=WindowBody.of(self._window)),
            )
        elif isinstance(event, Piece):
            citations = [CitationBody.of(citation, now) for citation in event.citations]
            yield _frame("token", TokenEvent(text=event.text, citations=citations))
        else:
            yield _frame("done", AskResponse.of(event.result, self._window, now))

    def explain(self, error: Exception) -> bytes:
        body = explain_failure(error).body
        return format_sse_event(event="error", data_str=bytes(body).decode())


def _frame(name: str, body: BaseModel) -> bytes:
    return format_sse_event(event=name, data_str=body.model_dump_json())
