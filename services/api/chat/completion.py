"""An answer as a chat completion, whole or in chunks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi.sse import format_sse_event

from services.api.answering.events import AnswerEvent, AskResult, Piece, Sources
from services.api.answering.time_window import TimeWindow
from services.api.chat.errors import openai_error
from services.api.chat.rendering import as_markdown, correction, sources_list
from services.api.chat.schemas import MODEL, AssistantMessage, ChatCompletion, ChatUsage, Choice
from services.api.error_handlers import explain_failure
from services.api.schemas import CitationBody, WindowBody

_END = format_sse_event(data_str="[DONE]")


@dataclass(frozen=True, slots=True)
class Presentation:
    """What makes one completion differ from another with the same answer."""

    completion_id: str
    created: datetime
    window: TimeWindow | None
    append_sources: bool
    wants_usage: bool


def whole(result: AskResult, how: Presentation, now: datetime) -> ChatCompletion:
    answer = result.answer
    content = as_markdown(answer.text)
    if how.append_sources:
        content += sources_list(answer.citations)
    citations = [CitationBody.of(citation, now) for citation in answer.citations]
    return ChatCompletion(
        id=how.completion_id,
        created=int(how.created.timestamp()),
        choices=[Choice(message=AssistantMessage(content=content, citations=citations))],
        usage=ChatUsage.of(result),
        outcome=answer.outcome,
        as_of=result.as_of,
        window=WindowBody.of(how.window),
    )


class ChunkEncoder:
    """One streamed completion. ``citations`` and what else is ours stand in the last chunk."""

    def __init__(self, how: Presentation) -> None:
        self._how = how
        self._shown = ""

    def encode(self, event: AnswerEvent) -> Iterator[bytes]:
        if isinstance(event, Sources):
            yield self._chunk({"role": "assistant", "content": ""})
        elif isinstance(event, Piece):
            self._shown += event.text
            yield self._chunk({"content": as_markdown(event.text)})
        else:
            yield from self._end(event.result)

    def explain(self, error: Exception) -> bytes:
        return _frame(openai_error(explain_failure(error).problem))

    def _end(self, result: AskResult) -> Iterator[bytes]:
        answer = result.answer
        rest = "" if answer.text == self._shown else correction(answer.text)
        if self._how.append_sources:
            rest += sources_list(answer.citations)
        if rest:
            yield self._chunk({"content": rest})
        body = whole(result, self._how, self._how.created).model_dump(mode="json")
        ours = {name: body[name] for name in ("outcome", "as_of", "window")}
        yield self._chunk({"citations": body["choices"][0]["message"]["citations"]}, "stop", **ours)
        if self._how.wants_usage:
            yield _frame({**self._head(), "choices": [], "usage": body["usage"]})
        yield _END

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None, **ours: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        usage = {"usage": None} if self._how.wants_usage else {}
        return _frame({**self._head(), "choices": [choice], **usage, **ours})

    def _head(self) -> dict[str, Any]:
        return {
            "id": self._how.completion_id,
            "object": "chat.completion.chunk",
            "created": int(self._how.created.timestamp()),
            "model": MODEL,
        }


def _frame(body: dict[str, Any]) -> bytes:
    return format_sse_event(data_str=json.dumps(body))
