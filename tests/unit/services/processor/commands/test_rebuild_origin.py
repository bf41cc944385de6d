from __future__ import annotations

import pytest

from services.processor.commands.rebuild_origin import Current, CurrentIndex, Origin, choose_origin

SAME = Current(CurrentIndex.SAME)
OTHER = Current(CurrentIndex.OTHER, "built with hashing-64")
DAMAGED = Current(CurrentIndex.DAMAGED, "cut short")


@pytest.mark.parametrize(
    ("asked", "current", "origin", "why"),
    [
        (None, SAME, Origin.KAFKA, "fits the settings"),
        (None, OTHER, Origin.STORED, "built with hashing-64"),
        (None, DAMAGED, Origin.KAFKA, "cut short"),
        ("stored", SAME, Origin.STORED, "--from stored"),
        ("kafka", OTHER, Origin.KAFKA, "--from kafka"),
    ],
)
def test_the_choice_and_its_reason(asked: str | None, current: Current, origin: Origin, why: str) -> None:
    chosen, reason = choose_origin(asked, current)
    assert chosen is origin
    assert why in reason
