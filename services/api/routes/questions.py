"""``POST /v1/ask`` and ``POST /v1/search``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.sse import EventSourceResponse

from services.api.answer_stream import AnswerEncoder
from services.api.dependencies import Deps
from services.api.event_stream import FeedResponse
from services.api.inquiry import Inquiry, search_filter
from services.api.schemas import AskRequest, AskResponse, HitBody, SearchRequest, SearchResponse
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
    inquiry = Inquiry(
        question=body.question,
        top_k=body.top_k,
        where=search_filter(body.filters, deps.clock.now()),
        history=[turn.to_turn() for turn in body.history],
    )
    if body.stream:
        feed = Feed(lambda is_gone: inquiry.stream(deps.answering, is_gone))
        encoder = AnswerEncoder(deps.clock)
        return FeedResponse(await feed.first(request.receive), feed, encoder.encode, encoder.explain)
    result = await run_while_connected(request.receive, lambda is_gone: inquiry.ask(deps.answering, is_gone))
    return AskResponse.of(result, deps.clock.now())


@router.post("/search")
def search(request: SearchRequest, deps: Deps) -> SearchResponse:
    """The indexed passages most similar to the question, best first."""
    where = search_filter(request.filters, deps.clock.now())
    # Taken before the search: what was indexed up to here is certainly taken into account.
    as_of = deps.store.stats().as_of
    hits = deps.answering.search(request.question, top_k=request.top_k, where=where)
    return SearchResponse(hits=[HitBody.of(hit) for hit in hits], as_of=as_of)
