"""The five dashboards, in the order in which somebody who was woken reads them."""

from deploy.dashboards.boards.ask import ASK
from deploy.dashboards.boards.infrastructure import INFRASTRUCTURE
from deploy.dashboards.boards.llm import LLM
from deploy.dashboards.boards.overview import OVERVIEW
from deploy.dashboards.boards.pipeline import PIPELINE

BOARDS = (OVERVIEW, ASK, LLM, PIPELINE, INFRASTRUCTURE)

__all__ = ["BOARDS"]
