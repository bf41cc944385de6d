"""``POST /v1/watch``: a question that stands until the client leaves."""

from __future__ import annotations

import hashlib
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Request
from fastapi.sse import EventSourceResponse
from starlette.responses import Response, StreamingResponse

from services.api.answering.events import AskResult
from services.api.auth import presented_keys
from services.api.dependencies import Deps
from services.api.inquiry import search_filter
from services.api.problem import described_problems, problem
from services.api.retrieval.scope import Scope
from services.api.watch_schemas import WatchRequest
from services.api.watch_stream import Inbox, Standing, WatchResponse
from services.api.watching.board import TooManyWatches

router = APIRouter(prefix="/v1", tags=["questions"])


@router.post(
    "/watch",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {
                EventSourceResponse.media_type: {
                    "schema": {
                        "type": "string",
                        "description": "`watching`, then `evidence`, `withdrawn`, `answer`; `ended`.",
                    }
                }
            }
        },
        **described_problems(429),
    },
)
async def watch(
    body: WatchRequest,
    request: Request,
    deps: Deps,
    last_event_id: Annotated[str | None, Header(max_length=2000)] = None,
) -> Response:
    """Tells when something that answers the question is indexed, changed or removed."""
    where = search_filter(body.filters, deps.clock.now())
    inbox = Inbox()
    try:
        standing = await to_thread.run_sync(
            deps.watches.add, _owner(request), body.question, where, last_event_id, inbox.deliver
        )
    except TooManyWatches as error:
        return problem(429, f"{error}.")

    def answer() -> AskResult:
        return deps.answering.ask(body.question, Scope(body.top_k, where), is_abandoned=lambda: False)

    return WatchResponse(
        Standing(body.question, inbox, answer if body.answer else None),
        deps.clock,
        lambda: deps.watches.remove(standing),
    )


def _owner(request: Request) -> bytes:
    """Tells keys apart without keeping one."""
    return hashlib.sha256(b"\0".join(presented_keys(request.scope["headers"]))).digest()
