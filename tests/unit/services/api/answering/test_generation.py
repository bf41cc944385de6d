from __future__ import annotations

from collections.abc import Generator

import pytest

from services.api.answering.generation import first_statement


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        (["The toll", " is 47."], "The toll is 47."),
        (["The toll is 47.", " It", " rose."], "The toll is 47."),
        (["1.", " The toll", " is 47.", " It rose."], "1. The toll is 47."),
        (["  no end"], "no end"),
        ([], ""),
    ],
)
def test_the_stream_is_read_to_the_end_of_the_first_statement(deltas: list[str], expected: str) -> None:
    assert first_statement(iter_of(deltas)) == expected


def test_the_stream_is_closed_as_soon_as_there_is_enough() -> None:
    state = {"given": 0, "closed": False}

    def endless() -> Generator[str, None, None]:
        try:
            while True:
                state["given"] += 1
                yield "The toll is 47. "
        finally:
            state["closed"] = True

    assert first_statement(endless()) == "The toll is 47."
    assert state == {"given": 2, "closed": True}


def iter_of(deltas: list[str]) -> Generator[str, None, None]:
    yield from deltas
