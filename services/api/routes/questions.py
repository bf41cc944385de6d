"""``POST /v1/ask`` and ``POST /v1/search``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.sse import EventSourceResponse

from services.api.answer_stream import AnswerEncoder
from services.api.answering.question import Turn
from services.api.dependencies import Dependencies, Deps
from services.api.event_stream import FeedResponse
from services.api.inquiry import Inquiry
from services.api.line import Line
from services.api.schemas import AskRequest, AskResponse, SearchRequest, SearchResponse
from services.api.work import Feed, run_while_connected

router = APIRouter(prefix="/v1", tags=["questions"])

_STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            EventSourceResponse.media_type: {
                "schema": {
                    "type": "string",
                    "description": "With `stream`: `sources`, `token`…, `done` (the whole JSON) or `error`.",
                }
            }
        }
    }
}


@router.post("/ask", response_model=AskResponse, responses=_STREAMED)
async def ask(body: AskRequest, request: Request, deps: Deps) -> AskResponse | FeedResponse[Any]:
    """A grounded, cited, dated answer; or `no_context`, where nothing indexed answers the question."""
    inquiry = _read(body, deps, [turn.to_turn() for turn in body.history])
    if body.stream:
        feed = Feed(lambda is_gone: inquiry.stream(deps.answering, is_gone))
        encoder = AnswerEncoder(deps.clock, inquiry.window)
        return FeedResponse(await feed.first(request.receive), feed, encoder.encode, encoder.explain)
    result = await run_while_connected(request.receive, lambda is_gone: inquiry.ask(deps.answering, is_gone))
    return AskResponse.of(result, inquiry.window, deps.clock.now())


@router.post("/search", response_model=SearchResponse)
async def search(body: SearchRequest, request: Request, deps: Deps) -> Response:
    """The indexed passages most similar to the question, best first."""
    line: Line[Inquiry, str] = request.app.state.searches
    return Response(await line.ask(_read(body, deps)), media_type="application/json")


def _read(request: SearchRequest, deps: Dependencies, history: Sequence[Turn] = ()) -> Inquiry:
    return Inquiry.read(
        request.question,
        top_k=request.top_k,
        recency=request.recency,
        filters=request.filters,
        now=deps.clock.now(),
        time_zone=deps.settings.timezone,
        history=history,
    )
