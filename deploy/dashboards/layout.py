"""Where each panel stands: from left to right as long as there is room, then below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from deploy.dashboards.model import Panel

COLUMNS = 24


@dataclass(frozen=True)
class Place:
    """In Grafana's grid: 24 columns, rows of 30 pixels."""

    x: int
    y: int
    w: int
    h: int


def places(panels: Iterable[Panel], top: int) -> Iterator[tuple[Panel, Place]]:
    x = y = tallest = 0
    for panel in panels:
        if x + panel.width > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        yield panel, Place(x, top + y, panel.width, panel.height)
        x += panel.width
        tallest = max(tallest, panel.height)
