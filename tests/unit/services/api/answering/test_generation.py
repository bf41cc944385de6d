from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.api.answering.generation import statements


@pytest.mark.parametrize(
    ("deltas", "most", "expected"),
    [
        (["The toll", " is 47."], 1, ["The toll is 47."]),
        (["The toll is 47.", " It", " rose."], 1, ["The toll is 47."]),
        (["1.", " The toll", " is 47.", " It rose."], 1, ["1. The toll is 47."]),
        (["  no end"], 1, ["no end"]),
        ([], 1, []),
        ([" \n"], 2, []),
        (
            ["The toll is 47. The fire", " spread north. Roads are", " closed"],
            3,
            [
                "The toll is 47.",
                "The toll is 47. The fire spread north.",
                "The toll is 47. The fire spread north. Roads are closed",
            ],
        ),
        (
            ["The toll is 47. The fire spread north. Roads are closed. More"],
            2,
            ["The toll is 47.", "The toll is 47. The fire spread north."],
        ),
    ],
)
def test_each_statement_comes_as_soon_as_it_is_complete(
    deltas: list[str], most: int, expected: list[str]
) -> None:
    assert list(statements(iter(deltas), most)) == expected


@pytest.mark.parametrize("most", [1, 2])
def test_nothing_is_read_beyond_the_last_one(most: int) -> None:
    given = 0

    def endless() -> Iterator[str]:
        nonlocal given
        while True:
            given += 1
            yield f"The toll is {given}. "

    assert len(list(statements(endless(), most))) == most
    assert given == most + 1
