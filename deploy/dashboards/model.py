"""What a dashboard is made of, free of Grafana's JSON, so that tests read it as easily as Grafana."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

RATE_INTERVAL = "$__rate_interval"
RANGE = "$__range"


class Kind(StrEnum):
    """Grafana's name of the panel's plugin."""

    STAT = "stat"
    TIMESERIES = "timeseries"
    HEATMAP = "heatmap"
    BARS = "bargauge"


@dataclass(frozen=True)
class Advice:
    """What the reader of a panel wants to know, in the order in which the wish comes up."""

    shows: str
    normal: str
    otherwise: str

    def __str__(self) -> str:
        return f"{self.shows}\n\n**Normal:** {self.normal}\n\n**Otherwise:** {self.otherwise}"


@dataclass(frozen=True)
class Limits:
    """Where green ends: ``warn`` and ``bad`` are values in the panel's unit.

    ``bad`` below ``warn`` says that small values are the bad ones.
    """

    warn: float
    bad: float

    def __post_init__(self) -> None:
        if self.warn == self.bad:
            raise ValueError(f"warn and bad are both {self.warn}: nothing would ever only warn")

    @property
    def small_is_bad(self) -> bool:
        return self.bad < self.warn


@dataclass(frozen=True)
class Query:
    """PromQL, with Grafana's variables still in it, and what a line of its answer is called."""

    expr: str
    legend: str
    exemplars: bool = False
    """Ask for the trace ids of single observations, too."""


@dataclass(frozen=True)
class Panel:
    kind: Kind
    title: str
    unit: str
    """Grafana's id of the unit: ``s``, ``bytes``, ``percentunit``, ``short`` ..."""
    advice: Advice
    queries: tuple[Query, ...]
    limits: Limits | None = None
    """``None``: no value of it is bad in itself."""
    stacked: bool = False
    states: tuple[tuple[float, str], ...] = ()
    """What single values are called, where a number says nothing."""
    width: int = 8
    """Columns of 24."""
    height: int = 8
    top: float | None = None
    """The greatest value that there can be, such as 1 of a share."""
    decimals: int | None = None

    def __post_init__(self) -> None:
        if not self.queries:
            raise ValueError(f"panel '{self.title}' has no query")
        if not 1 <= self.width <= 24:
            raise ValueError(f"panel '{self.title}' is {self.width} columns wide; there are 24")


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """A choice at the top of a board, filled with the values of a label."""

    name: str
    title: str
    metric: str
    label: str


@dataclass(frozen=True)
class Board:
    """A dashboard; ``uid`` is part of its address and never changes."""

    uid: str
    title: str
    purpose: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()

    @property
    def name(self) -> str:
        """Of its files."""
        return self.uid.removeprefix("live-rag-")

    def panels(self) -> Iterator[Panel]:
        for row in self.rows:
            yield from row.panels


@dataclass(frozen=True)
class PanelQuery:
    """One query of one panel, for whoever wants to ask it outside Grafana."""

    board: str
    panel: str
    expr: str
    variables: tuple[str, ...] = ()

    def ready(self, rate_interval: str = "1m") -> str:
        """PromQL without Grafana's variables; each of the board's own lets everything through."""
        text = self.expr.replace(RATE_INTERVAL, rate_interval).replace(RANGE, "15m")
        for name in self.variables:
            text = text.replace(f"${name}", ".*")
        return text
