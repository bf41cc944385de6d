"""A picture of a dashboard's layout, drawn from the JSON that Grafana reads."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from textwrap import wrap

from deploy.dashboards.layout import COLUMNS
from deploy.dashboards.plugins import Json

_COLUMN, _LINE, _GAP = 44, 26, 3
_TITLE_HEIGHT = 40
_LETTER = 7
"""Width of a bold letter at 12 pixels, or a little more."""
_COLORS = {
    "stat": "#e3f2e6",
    "timeseries": "#e7effa",
    "heatmap": "#fbeedb",
    "bargauge": "#f3e8f7",
    "alertlist": "#fbe4e4",
    "text": "#f4f4f2",
}


def svg(dashboard: Json) -> str:
    width = COLUMNS * _COLUMN + 2 * _GAP
    height = _TITLE_HEIGHT + _GAP + _LINE * max(_bottom(panel) for panel in dashboard["panels"])
    title = escape(dashboard["title"])
    return (
        "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
                f'height="{height}" font-family="Helvetica, Arial, sans-serif" role="img">',
                f"<title>{title}: layout</title>",
                f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
                _label(12, 26, title, size=18, weight="bold"),
                *(line for panel in dashboard["panels"] for line in _drawn(panel)),
                "</svg>",
            ]
        )
        + "\n"
    )


def _bottom(panel: Json) -> int:
    place = panel["gridPos"]
    return int(place["y"] + place["h"])


def _drawn(panel: Json) -> Iterator[str]:
    place = panel["gridPos"]
    x, y = _GAP + place["x"] * _COLUMN, _TITLE_HEIGHT + place["y"] * _LINE
    if panel["type"] == "row":
        yield _label(x + 6, y + 18, escape(panel["title"]), size=14, weight="bold")
        return
    width, height = place["w"] * _COLUMN - _GAP, place["h"] * _LINE - _GAP
    yield (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="{_COLORS[panel["type"]]}" '
        'stroke="#8a8f98" stroke-width="0.8"/>'
    )
    lines = wrap(panel["title"], width=(width - 16) // _LETTER)
    for number, line in enumerate(lines):
        yield _label(x + 8, y + 18 + 15 * number, escape(line), weight="bold")
    yield _label(x + 8, y + 22 + 15 * len(lines), escape(_kind(panel)), color="#565b63")


def _kind(panel: Json) -> str:
    unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
    return f"{panel['type']} · {unit}" if unit else str(panel["type"])


def _label(
    x: int, y: int, text: str, *, size: int = 12, weight: str = "normal", color: str = "#1c1e21"
) -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{color}">{text}</text>'
