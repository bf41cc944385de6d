"""A question's way: rate, errors, duration, and how good the evidence and the answers are."""

from __future__ import annotations

from deploy.dashboards.boards.ask.answers import ANSWERS
from deploy.dashboards.boards.ask.evidence import EVIDENCE
from deploy.dashboards.boards.ask.latency import LATENCY
from deploy.dashboards.boards.ask.traffic import TRAFFIC
from deploy.dashboards.model import Board

ASK = Board(
    "live-rag-ask",
    "Live RAG: Ask path",
    "From the question to the cited answer: how many, how long, which stage, how good.",
    (TRAFFIC, LATENCY, EVIDENCE, ANSWERS),
)
