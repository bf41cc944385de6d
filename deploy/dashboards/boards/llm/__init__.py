"""The language model and the embedding model: state, speed, tokens, failures."""

from __future__ import annotations

from deploy.dashboards.boards.llm.embedding import EMBEDDING
from deploy.dashboards.boards.llm.speed import SPEED
from deploy.dashboards.boards.llm.state import STATE
from deploy.dashboards.boards.llm.tokens import TOKENS
from deploy.dashboards.model import Board

LLM = Board(
    "live-rag-llm",
    "Live RAG: LLM",
    "The language model and the embedding model: whether they answer, how fast, how much.",
    (STATE, SPEED, TOKENS, EMBEDDING),
)
