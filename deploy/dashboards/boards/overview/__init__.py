"""Whether the promises are kept, and what is firing."""

from __future__ import annotations

from deploy.dashboards.boards.overview.asks import ASKS
from deploy.dashboards.boards.overview.parts import PARTS
from deploy.dashboards.boards.overview.promises import PROMISES
from deploy.dashboards.model import Board

OVERVIEW = Board(
    "live-rag-overview",
    "Live RAG: Overview and SLOs",
    "Are the promises kept: answers without error, in time, and about what has just been edited?",
    (PROMISES, ASKS, PARTS),
)
