"""``GET /v1/stats``."""

from __future__ import annotations

from fastapi import APIRouter

from services.api.dependencies import Deps
from services.api.schemas import StatsResponse, seconds_since

router = APIRouter(prefix="/v1", tags=["operations"])


@router.get("/stats")
def stats(deps: Deps) -> StatsResponse:
    """What is indexed, and how fresh it is."""
    counts = deps.store.stats()
    now = deps.clock.now()
    return StatsResponse(
        documents=counts.documents,
        chunks=counts.chunks,
        tombstones=counts.tombstones,
        as_of=counts.as_of,
        last_indexed_at=counts.last_indexed_at,
        freshness_seconds=None if counts.as_of is None else seconds_since(counts.as_of, now),
        embedder=deps.names.embedder,
        llm=deps.names.llm,
        store=deps.names.store,
        uptime_seconds=round(deps.clock.monotonic() - deps.started, 3),
    )
