"""Reading a generator with what it returns."""

from __future__ import annotations

from collections.abc import Generator

from shared.domain import TokenUsage


def read_to_end(stream: Generator[str, None, TokenUsage | None]) -> tuple[list[str], TokenUsage | None]:
    """The pieces, and what the stream returned."""
    pieces: list[str] = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            return pieces, end.value
