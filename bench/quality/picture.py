"""What became of the questions, as a picture. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from bench.quality.answers import AnswerFigures

_WIDTH, _HEIGHT = 920, 250
_LEFT, _RIGHT = 170, 890
_BAR, _TOP, _STEP = 46, 70, 78
_INK, _PAPER = "#1f2328", "#ffffff"
_GOOD, _FAIR, _BAD, _SILENT = "#1a7f37", "#9a6700", "#d1242f", "#8c959f"

Part = tuple[str, float, str]


def drawing(figures: AnswerFigures) -> str:
    """An SVG: one bar for the questions that have an answer, one for those that have none."""
    answered = 1 - figures.answerable_abstained
    rows: list[tuple[str, int, list[Part]]] = [
        (
            "answerable",
            figures.answerable,
            [
                ("answer holds the expected one", figures.holds_answer, _GOOD),
                ("another", answered - figures.holds_answer, _FAIR),
                ("not answered", figures.answerable_abstained, _SILENT),
            ],
        ),
        (
            "unanswerable",
            figures.unanswerable,
            [
                ("not answered", figures.abstention_recall, _GOOD),
                ("answered", figures.unanswerable_answered, _BAD),
            ],
        ),
    ]
    bars = [
        line
        for number, (name, count, parts) in enumerate(rows)
        for line in _bar(name, count, parts, _TOP + number * _STEP)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
            f'font-family="system-ui, sans-serif" font-size="13" fill="{_INK}">',
            "<title>What became of answerable and unanswerable questions</title>",
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="{_PAPER}"/>',
            _text(
                "What /v1/ask does with questions that have an answer, and with ones that nearly do", 20, 32
            ),
            *bars,
            _text(
                f"citation precision {figures.citation_precision:.3f} of {figures.citations} citations; "
                f"answers with a number or date in no cited passage: {figures.unfounded}",
                20,
                _HEIGHT - 16,
            ),
            "</svg>\n",
        ]
    )


def _bar(name: str, count: int, parts: Sequence[Part], top: float) -> Iterator[str]:
    yield _text(f"{name} ({count})", 20, top + _BAR / 2 + 5)
    left = float(_LEFT)
    for label, share, colour in parts:
        width = share * (_RIGHT - _LEFT)
        yield (
            f'<rect x="{left:.1f}" y="{top}" width="{max(0.0, width):.1f}" height="{_BAR}" fill="{colour}"/>'
        )
        yield _text(f"{label} {share:.0%}", left + 2, top + _BAR + 16)
        left += width


def _text(text: str, x: float, y: float) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
