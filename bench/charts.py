"""``python -m bench.charts``: what the search benchmarks measured, into ``docs/``.

Tables go into ``docs/stores.md``, between the comments that say so, and a picture to
``docs/search-cost.svg``. Two panels over the number of chunks (logarithmic): the 95th percentile of a
search's time (logarithmic), and recall@10. One colour for each store, one dash for each filter.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from bench.results import Results, search_tables, visibility_table, with_block
from bench.stack import ROOT
from shared.settings import VectorStoreSettings

COLOURS = {"faiss": "#1f6feb", "redis": "#d1242f"}
NAMES = {"faiss": "FAISS", "redis": "Redis"}
DASHES = {"all": "", "10% filter": "7 4", "1% filter": "2 4"}
_CASE_NAMES = {"all": "no filter", "10% filter": "10 % pass the filter", "1% filter": "1 % pass the filter"}

_WIDTH, _HEIGHT = 920, 440
_TOP, _BOTTOM = 64, 340
_TARGET_MS = 10.0
_TIME_TITLE = "Time of a search, p95 (grey: target at 100k, no filter)"
_RECALL_TITLE = "recall@10 against exact search (grey: target)"
_TARGET_RECALL = 0.98
_INK, _GRID, _PAPER = "#1f2328", "#d8dee4", "#ffffff"


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from ``low`` to ``high`` onto pixels from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool

    def place(self, value: float) -> float:
        low, high, value = (
            math.log10(number) if self.logarithmic else number for number in (self.low, self.high, value)
        )
        return self.start + (value - low) / (high - low) * (self.end - self.start)


def drawing(results: Results) -> str:
    """The SVG; at least one size of one store must have been measured."""
    entries = {store: results.of(store) for store in COLOURS if results.of(store)}
    sizes = sorted({int(entry["size"]) for rows in entries.values() for entry in rows})
    times = [row["cases"][case]["p95"] for rows in entries.values() for row in rows for case in DASHES]
    recalls = [row["cases"][case]["recall"] for rows in entries.values() for row in rows for case in DASHES]
    left, right = _size_axis(sizes, 70, 440), _size_axis(sizes, 540, 900)
    time_axis = Axis(*_decades([*times, _TARGET_MS]), _BOTTOM, _TOP, logarithmic=True)
    lowest = math.floor(50 * min([*recalls, 0.96])) / 50
    recall_axis = Axis(lowest, 1.0, _BOTTOM, _TOP, logarithmic=False)
    parts = [
        *_panel(_TIME_TITLE, left, time_axis, sizes, _time_ticks(time_axis)),
        *_panel(_RECALL_TITLE, right, recall_axis, sizes, _recall_ticks(lowest)),
        *_curves(entries, left, time_axis, "p95"),
        *_curves(entries, right, recall_axis, "recall"),
        _target(left, time_axis, _TARGET_MS),
        _target(right, recall_axis, _TARGET_RECALL),
        *_legend(list(entries)),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
            f'font-family="system-ui, sans-serif" font-size="13" fill="{_INK}">',
            "<title>Search cost and recall by the number of chunks</title>",
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="{_PAPER}"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _size_axis(sizes: Sequence[int], start: float, end: float) -> Axis:
    return Axis(min(sizes) / 1.25, max(sizes) * 1.25, start, end, logarithmic=True)


def _decades(values: Sequence[float]) -> tuple[float, float]:
    return 10.0 ** math.floor(math.log10(min(values))), 10.0 ** math.ceil(math.log10(max(values)))


def _time_ticks(axis: Axis) -> dict[float, str]:
    decades = range(round(math.log10(axis.low)), round(math.log10(axis.high)) + 1)
    steps = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
    return {step: f"{step:g} ms" for step in steps if axis.low <= step <= axis.high}


def _recall_ticks(lowest: float) -> dict[float, str]:
    steps = round((1 - lowest) * 100)
    every = 1 if steps <= 6 else 2 if steps <= 12 else 10
    return {1 - step / 100: f"{1 - step / 100:.2f}" for step in range(0, steps + 1, every)}


def _panel(
    title: str, across: Axis, up: Axis, sizes: Sequence[int], ticks: dict[float, str]
) -> Iterator[str]:
    yield _text(title, across.start, _TOP - 18, weight="600")
    for value, name in ticks.items():
        height = up.place(value)
        yield _line(across.start, height, across.end, height, _GRID)
        yield _text(name, across.start - 8, height + 4, anchor="end")
    for size in sizes:
        place = across.place(size)
        yield _line(place, _TOP, place, _BOTTOM, _GRID)
        yield _text(f"{size / 1000:g}k", place, _BOTTOM + 20, anchor="middle")
    yield _text("chunks", across.end, _BOTTOM + 38, anchor="end")


def _target(across: Axis, up: Axis, value: float) -> str:
    height = up.place(value)
    return _line(across.start, height, across.end, height, "#656d76", dash="5 3")


def _curves(entries: dict[str, list[dict[str, Any]]], across: Axis, up: Axis, figure: str) -> Iterator[str]:
    for store, rows in entries.items():
        for case, dash in DASHES.items():
            points = [(across.place(row["size"]), up.place(row["cases"][case][figure])) for row in rows]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            yield (
                f'<polyline points="{path}" fill="none" stroke="{COLOURS[store]}" stroke-width="2" '
                f'stroke-dasharray="{dash}"/>'
            )
            for x, y in points:
                yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[store]}"/>'


def _legend(stores: Sequence[str]) -> Iterator[str]:
    for row, store in enumerate(stores):
        height = _BOTTOM + 64 + 22 * row
        for column, (case, dash) in enumerate(DASHES.items()):
            place = 70 + 260 * column
            yield _line(place, height, place + 34, height, COLOURS[store], dash=dash, width=2)
            yield _text(f"{NAMES[store]}, {_CASE_NAMES[case]}", place + 42, height + 4)


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, *, dash: str = "", width: float = 1
) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width:g}" stroke-dasharray="{dash}"/>'
    )


def _text(
    text: str,
    x: float,
    y: float,
    *,
    anchor: str = "start",
    weight: str = "400",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" '
        f'stroke="{_PAPER}" stroke-width="3" paint-order="stroke">{escape(text)}</text>'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--results", type=Path, default=VectorStoreSettings().data_dir / "bench")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    arguments = parser.parse_args()
    searches = Results(arguments.results / "search.json")
    if not searches.everything():
        raise SystemExit(f"{arguments.results}: nothing there; run python -m bench.search --store faiss")
    (arguments.docs / "search-cost.svg").write_text(drawing(searches), "utf-8")
    page = arguments.docs / "stores.md"
    text = with_block(page.read_text("utf-8"), "bench.search", search_tables(searches))
    visibility = Results(arguments.results / "visibility.json")
    if visibility.everything():
        text = with_block(text, "bench.visibility", visibility_table(visibility))
    page.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
