from __future__ import annotations

import json

import pytest

from services.processor.commands.offset_plan import (
    Outcome,
    SavedOffsets,
    behind,
    plan_restoration,
    read_saved,
)
from shared.errors import ConfigurationError

SAVED = SavedOffsets("documents", "id-1", {0: 100, 1: 50}, 0)


def test_the_same_topic_is_read_on_from_where_it_was() -> None:
    plan = plan_restoration(SAVED, "id-1", {0: 0, 1: 50, 2: 0}, {0: 130, 1: 50, 2: 4})
    assert plan.outcome is Outcome.CONTINUED
    assert plan.offsets == {0: 100, 1: 50, 2: 0}, "a partition that was added since is new as a whole"
    assert (plan.missing, plan.again) == (0, 34)


def test_what_retention_has_removed_unread_is_a_gap() -> None:
    plan = plan_restoration(SAVED, "id-1", {0: 120, 1: 0}, {0: 130, 1: 60})
    assert (plan.outcome, plan.offsets) == (Outcome.GAP, {0: 120, 1: 50})
    assert (plan.missing, plan.again) == (20, 20)


@pytest.mark.parametrize(
    ("topic_id", "ends"),
    [("id-2", {0: 130, 1: 60}), ("id-2", {0: 0, 1: 0}), ("id-1", {0: 99, 1: 60})],
    ids=["made anew, and longer already", "made anew, empty", "shorter than it was"],
)
def test_offsets_of_another_topic_are_not_believed(topic_id: str, ends: dict[int, int]) -> None:
    """Committed beyond the end, they would skip as many new records."""
    plan = plan_restoration(SAVED, topic_id, {0: 0, 1: 0}, ends)
    assert (plan.outcome, plan.offsets, plan.again) == (Outcome.REWOUND, {0: 0, 1: 0}, sum(ends.values()))


def test_behind_counts_what_is_kept_and_not_committed() -> None:
    ends, begins = {0: 10, 1: 10, 2: 10}, {0: 0, 1: 8, 2: 0}
    assert behind(ends, begins, {0: 4, 2: 12}) == 6 + 2
    assert behind(ends, begins, {0: 10, 1: 10, 2: 10}) == 0


def test_saved_offsets_come_back_from_json() -> None:
    assert read_saved(json.loads(json.dumps(SAVED.as_json()))) == SAVED


@pytest.mark.parametrize(
    "body",
    [[], {}, {**SAVED.as_json(), "format": 2}, {**SAVED.as_json(), "offsets": {"zero": 1}}],
    ids=["a list", "nothing", "another format", "no partition"],
)
def test_anything_else_is_refused(body: object) -> None:
    with pytest.raises(ConfigurationError, match="not saved offsets"):
        read_saved(body)
