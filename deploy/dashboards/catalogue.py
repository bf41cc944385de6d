"""Every query of every panel, for whoever wants to ask a Prometheus all of them."""

from __future__ import annotations

from collections.abc import Iterator

from deploy.dashboards.boards import BOARDS
from deploy.dashboards.model import PanelQuery


def queries() -> Iterator[PanelQuery]:
    for board in BOARDS:
        variables = tuple(variable.name for variable in board.variables)
        for panel in board.panels():
            for query in panel.queries:
                yield PanelQuery(board.uid, panel.title, query.expr, variables)
