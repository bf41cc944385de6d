"""``docs/dashboards.md``: the boards' pictures, and what their panels say of themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from deploy.dashboards.model import Board, Limits, Panel

_PREFACE = """\
# Dashboards

<!-- Written by `python -m deploy.dashboards`; edit deploy/dashboards instead. -->

Five boards for Grafana 13.2. The first says whether the promises are kept; the others say why not. The (i) of
a panel says what it shows, what is normal and what to do otherwise. Dots on latency panels are traces, and
lead to Jaeger. Each alert has a page in the [runbook](runbook/); [metrics.md](metrics.md) explains every
metric.

| Board | What for |
|---|---|
"""

_HEADER = "| Panel | Shows | Normal | Otherwise | Yellow, red |\n|---|---|---|---|---|\n"

_HOW = """
## Where they are

- `deploy/dashboards/boards/`: the boards as code, one file each. `python -m deploy.dashboards` writes the
  rest; a test fails when what is committed differs.
- `grafana/dashboards/*.json`: what Grafana reads. `docs/dashboards/*.svg`: the pictures below, drawn from it.
- `grafana/provisioning/`: the data sources, with the fixed uids `prometheus` and `jaeger`, the link from an
  exemplar's `trace_id` to Jaeger, and the folder of the boards.

Grafana wants `grafana/provisioning` at `/etc/grafana/provisioning` and `grafana/dashboards` at
`/etc/grafana/dashboards`, Prometheus at `http://prometheus:9090` and Jaeger at `http://jaeger:16686`. Boards
cannot be saved in Grafana (`allowUiUpdates: false`): change the code and run the command; Grafana has them
within 30 s.

For other tools, `deploy.dashboards.catalogue.queries()` has every query of every panel.

## What the tests hold them to

- The JSON of each board, and the options of each panel, are valid by the types that Grafana publishes for
  13.2: `@grafana/schema` 13.2.3, made into JSON schemas that allow nothing else. The package has no types of
  the options of an alert list, nor of the fields of a Prometheus query.
- Every query parses, and every metric and label in it is declared.
- No panel is empty while nothing happens: a share or a quantile of nothing gives way to what is true of a
  quiet system. So a latency of 0 s says that nothing was asked.
- Every panel has a unit, thresholds and a description. Panels of histograms that carry exemplars ask for
  them. Rates are over `$__rate_interval`, save where the title names the window.

In the tables, the last column is where yellow and red begin; a dash: no value is bad in itself.
"""


def page(boards: Sequence[Board]) -> str:
    index = "".join(f"| [{_name(board)}](#{_anchor(board)}) | {board.purpose} |\n" for board in boards)
    return _PREFACE + index + _HOW + "".join(chain.from_iterable(_board(board) for board in boards))


def _board(board: Board) -> Iterator[str]:
    yield f"\n## {_name(board)}\n\n![Layout of {_name(board)}](dashboards/{board.name}.svg)\n"
    for row in board.rows:
        yield f"\n**{row.title}**\n\n{_HEADER}"
        for panel in row.panels:
            advice = panel.advice
            cells = (panel.title, advice.shows, advice.normal, advice.otherwise, _limits(panel))
            yield "| " + " | ".join(_cell(cell) for cell in cells) + " |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _limits(panel: Panel) -> str:
    if panel.limits is None:
        return "–"
    if panel.states:
        return ", ".join(name for value, name in panel.states if _bad(panel.limits, value))
    sign = "<" if panel.limits.small_is_bad else "≥"
    return f"{sign} {_number(panel.limits.warn, panel.unit)}, {sign} {_number(panel.limits.bad, panel.unit)}"


def _bad(limits: Limits, value: float) -> bool:
    return value < limits.warn if limits.small_is_bad else value >= limits.warn


def _number(value: float, unit: str) -> str:
    match unit:
        case "percentunit":
            return f"{100 * value:g} %"
        case "bytes":
            return f"{value / 1e9:g} GB"
        case "s":
            return f"{value:g} s"
        case "ops" | "reqps":
            return f"{value:g}/s"
        case _:
            return f"{value:g}"


def _name(board: Board) -> str:
    return board.title.removeprefix("Live RAG: ")


def _anchor(board: Board) -> str:
    return _name(board).lower().replace(" ", "-")
