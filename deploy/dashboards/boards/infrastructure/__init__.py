"""Use, saturation and errors of what everything runs on."""

from __future__ import annotations

from deploy.dashboards.boards.infrastructure.processes import PROCESSES
from deploy.dashboards.boards.infrastructure.store import STORE
from deploy.dashboards.boards.infrastructure.telemetry import TELEMETRY
from deploy.dashboards.model import Board, Variable

INFRASTRUCTURE = Board(
    "live-rag-infrastructure",
    "Live RAG: Infrastructure",
    "Use, saturation and errors of processes, store, tracing and Prometheus.",
    (PROCESSES, STORE, TELEMETRY),
    (Variable("job", "Service", "up", "job"),),
)
