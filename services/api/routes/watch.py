"""``POST /v1/watch``: a question that stands until the client leaves."""

from __future__ import annotations

import hashlib
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Request
from fastapi.sse import EventSourceResponse
from starlette.responses import Response, StreamingResponse

from services.api.auth import presented_keys
from services.api.dependencies import Dependencies, Deps
from services.api.inquiry import Inquiry, StandingInquiry
from services.api.problem import described_problems, problem
from services.api.schemas import AskResponse
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
    inquiry = _read(body, deps)
    stands = StandingInquiry.of(inquiry)
    inbox = Inbox()
    try:
        joined = await to_thread.run_sync(
            deps.watches.add, _owner(request), stands.question, stands.where, last_event_id, inbox.deliver
        )
    except TooManyWatches as error:
        return problem(429, f"{error}.")

    def answer() -> AskResponse:
        # "In the last hour" is another hour each time.
        asked = inquiry if stands.left_out is None else _read(body, deps)
        result = asked.ask(deps.answering, is_abandoned=lambda: False)
        return AskResponse.of(result, asked.window, deps.clock.now())

    return WatchResponse(
        Standing(body.question, stands.left_out, inbox, answer if body.answer else None),
        deps.clock,
        lambda: deps.watches.remove(joined),
    )


def _read(body: WatchRequest, deps: Dependencies) -> Inquiry:
    return Inquiry.read(
        body.question,
        top_k=body.top_k,
        filters=body.filters,
        now=deps.clock.now(),
        time_zone=deps.settings.timezone,
    )


def _owner(request: Request) -> bytes:
    """Tells keys apart without keeping one."""
    return hashlib.sha256(b"\0".join(presented_keys(request.scope["headers"]))).digest()
