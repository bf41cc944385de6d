"""``POST /v1/ask`` and ``POST /v1/search``."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter

from services.api.dependencies import Deps
from services.api.error_handlers import InvalidRequest
from services.api.filters import Filters
from services.api.schemas import (
    AskRequest,
    AskResponse,
    CitationBody,
    HitBody,
    SearchRequest,
    SearchResponse,
    Usage,
    seconds_since,
)
from shared.domain import SearchFilter
from shared.observability.tracing import current_trace_id

router = APIRouter(prefix="/v1", tags=["questions"])


@router.post("/ask")
def ask(request: AskRequest, deps: Deps) -> AskResponse:
    """A grounded, cited, dated answer; or `no_context`, where nothing indexed answers the question."""
    where = _search_filter(request.filters, deps.clock.now())
    history = [turn.to_turn() for turn in request.history]
    result = deps.answering.ask(request.question, top_k=request.top_k, where=where, history=history)
    now = deps.clock.now()
    return AskResponse(
        answer=result.answer.text,
        outcome=result.answer.outcome,
        citations=[CitationBody.of(citation, now) for citation in result.answer.citations],
        as_of=result.as_of,
        freshness_seconds=None if result.as_of is None else seconds_since(result.as_of, now),
        model=result.model,
        usage=Usage(input_tokens=result.input_tokens, output_tokens=result.output_tokens),
        timings_ms=result.timings_ms,
        trace_id=current_trace_id(),
    )


@router.post("/search")
def search(request: SearchRequest, deps: Deps) -> SearchResponse:
    """The indexed passages most similar to the question, best first."""
    where = _search_filter(request.filters, deps.clock.now())
    # Taken before the search: what was indexed up to here is certainly taken into account.
    as_of = deps.store.stats().as_of
    hits = deps.answering.search(request.question, top_k=request.top_k, where=where)
    return SearchResponse(hits=[HitBody.of(hit) for hit in hits], as_of=as_of)


def _search_filter(filters: Filters, now: datetime) -> SearchFilter:
    try:
        return filters.to_search_filter(now)
    except ValueError as error:
        raise InvalidRequest([{"field": "filters.since", "message": str(error)}]) from None
