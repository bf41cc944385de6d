"""Text for a terminal: nothing in it can move the cursor, colour the screen or turn the line around."""

from __future__ import annotations

import contextlib
import io
import shutil
import signal
import sys
import unicodedata
from collections.abc import Sequence

_UNPRINTABLE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_CUT = "…"


def printable(text: str, keep: str = "") -> str:
    """Control, format and unassigned characters as escapes, except those in ``keep``."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character in keep or unicodedata.category(character) not in _UNPRINTABLE
        else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )


def printable_bytes(value: bytes) -> str:
    return printable(value.decode(errors="backslashreplace"))


def cut(text: str, width: int) -> str:
    """At most ``width`` columns; what is lost is marked."""
    used = 0
    for index, character in enumerate(text):
        used += _columns(character)
        if used > width:
            return _first_columns(text[:index], width - 1) + _CUT
    return text


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Lines with aligned columns, each cut to ``width`` columns where there is a limit."""
    widths = [max(map(_width, column)) for column in zip(headings, *rows, strict=True)]
    lines = [
        "  ".join(_padded(cell, size) for cell, size in zip(row, widths, strict=True)).rstrip()
        for row in (headings, *rows)
    ]
    return lines if width is None else [cut(line, width) for line in lines]


def terminal_width() -> int | None:
    """``None`` where the output does not go to a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def prepare_output() -> None:
    """What the terminal's encoding lacks is shown as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def say_error(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def can_ask() -> bool:
    return sys.stdin.isatty()


def ask(question: str) -> bool:
    """:raises KeyboardInterrupt: Ctrl-C at the question."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with contextlib.suppress(EOFError):
            return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
        return False
    finally:
        signal.signal(signal.SIGINT, previous)


def _width(text: str) -> int:
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _first_columns(text: str, width: int) -> str:
    while _width(text) > width:
        text = text[:-1]
    return text


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
