"""``POST /v1/chat/completions`` and ``GET /v1/models``: what OpenAI's clients expect."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.sse import EventSourceResponse
from starlette.responses import Response

from services.api.chat.completion import ChunkEncoder, Presentation, whole
from services.api.chat.conversation import NoQuestion, read_conversation
from services.api.chat.schemas import MODEL, ChatCompletion, ChatRequest, ModelBody, ModelList
from services.api.dependencies import Dependencies, Deps
from services.api.error_handlers import InvalidRequest
from services.api.event_stream import FeedResponse
from services.api.inquiry import Inquiry
from services.api.problem import problem
from services.api.work import Feed, run_while_connected

router = APIRouter(prefix="/v1", tags=["openai"])

_MODEL = ModelBody(created=int(datetime(2026, 11, 23, tzinfo=UTC).timestamp()))
_STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            EventSourceResponse.media_type: {
                "schema": {"type": "string", "description": "With `stream`: chunks, then `[DONE]`."}
            }
        }
    }
}


@router.post("/chat/completions", response_model=ChatCompletion, responses=_STREAMED)
async def complete(body: ChatRequest, request: Request, deps: Deps) -> ChatCompletion | Response:
    """A grounded, cited, dated answer to the last `user` message, for clients of OpenAI."""
    if body.model != MODEL:
        return _no_such_model(body.model)
    inquiry = _read(body, deps)
    how = Presentation(
        completion_id=f"chatcmpl-{uuid.uuid4().hex}",
        created=deps.clock.now(),
        window=inquiry.window,
        append_sources=body.append_sources,
        wants_usage=body.wants_usage,
    )
    if body.stream:
        feed = Feed(lambda is_gone: inquiry.stream(deps.answering, is_gone))
        encoder = ChunkEncoder(how)
        return FeedResponse(await feed.first(request.receive), feed, encoder.encode, encoder.explain)
    result = await run_while_connected(request.receive, lambda is_gone: inquiry.ask(deps.answering, is_gone))
    return whole(result, how, deps.clock.now())


@router.get("/models")
async def models() -> ModelList:
    """The one model that there is."""
    return ModelList(data=[_MODEL])


@router.get("/models/{model}", response_model=ModelBody)
async def model(model: str) -> ModelBody | Response:
    """The same, by its name."""
    return _MODEL if model == MODEL else _no_such_model(model)


def _read(body: ChatRequest, deps: Dependencies) -> Inquiry:
    try:
        question, history = read_conversation(body.messages)
    except NoQuestion as error:
        raise InvalidRequest([{"field": "messages", "message": str(error)}]) from None
    return Inquiry.read(
        question,
        top_k=body.top_k,
        recency=body.recency,
        filters=body.filters,
        now=deps.clock.now(),
        time_zone=deps.settings.timezone,
        history=history,
    )


def _no_such_model(name: str) -> Response:
    return problem(
        404, f"There is no model {name[:100]!r} here; the one to ask is {MODEL!r}.", code="model_not_found"
    )
