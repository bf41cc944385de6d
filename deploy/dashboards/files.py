"""The files that are written from the boards, and committed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from deploy.dashboards.model import Board
from deploy.dashboards.page import page
from deploy.dashboards.picture import svg
from deploy.dashboards.render import as_text, dashboard

GRAFANA = PurePosixPath("grafana/dashboards")
PICTURES = PurePosixPath("docs/dashboards")
PAGE = PurePosixPath("docs/dashboards.md")


def written(boards: Sequence[Board]) -> dict[PurePosixPath, str]:
    """Path from the project's root -> content."""
    return {
        **{GRAFANA / f"{board.name}.json": as_text(board) for board in boards},
        **{PICTURES / f"{board.name}.svg": svg(dashboard(board)) for board in boards},
        PAGE: page(boards),
    }
