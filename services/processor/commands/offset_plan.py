"""What offsets are worth after a restore. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.errors import ConfigurationError

_FORMAT = 1


class Outcome(StrEnum):
    """``continued``: everything after the saved offsets is still there, and is read again. ``gap``: retention
    has removed some of it. ``rewound``: it is another topic, or a shorter one, whose offsets say nothing."""

    CONTINUED = "continued"
    GAP = "gap"
    REWOUND = "rewound"


@dataclass(frozen=True, slots=True)
class SavedOffsets:
    """``behind``: records that stood in the topic when the save began, and were uncommitted at its end."""

    topic: str
    topic_id: str
    offsets: Mapping[int, int]
    behind: int

    def as_json(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "topic": self.topic,
            "topic_id": self.topic_id,
            "offsets": {str(partition): offset for partition, offset in sorted(self.offsets.items())},
            "behind": self.behind,
        }


@dataclass(frozen=True, slots=True)
class Restoration:
    """``missing``: records that were removed unread; ``again``: those to be read."""

    outcome: Outcome
    offsets: Mapping[int, int]
    missing: int
    again: int

    def as_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome.value,
            "offsets": {str(partition): offset for partition, offset in sorted(self.offsets.items())},
            "missing": self.missing,
            "again": self.again,
        }


def read_saved(body: object) -> SavedOffsets:
    """:raises ConfigurationError: not what ``as_json`` makes."""
    try:
        if not isinstance(body, dict) or body["format"] != _FORMAT:
            raise ValueError("another format")
        offsets = {int(partition): int(offset) for partition, offset in body["offsets"].items()}
        return SavedOffsets(str(body["topic"]), str(body["topic_id"]), offsets, int(body["behind"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"these are not saved offsets ({error!r})") from None


def behind(ends: Mapping[int, int], begins: Mapping[int, int], committed: Mapping[int, int]) -> int:
    """Records before ``ends`` that are kept and not committed."""
    return sum(
        max(0, end - max(begins[partition], committed.get(partition, 0))) for partition, end in ends.items()
    )


def plan_restoration(
    saved: SavedOffsets, topic_id: str, begins: Mapping[int, int], ends: Mapping[int, int]
) -> Restoration:
    """Where to read on. An offset beyond the end must never be committed: once as many new records had come,
    they would be skipped."""
    is_same = topic_id == saved.topic_id and all(
        saved.offsets.get(partition, 0) <= end for partition, end in ends.items()
    )
    if not is_same:
        return _restoration(Outcome.REWOUND, begins, 0, ends)
    offsets = {partition: max(begin, saved.offsets.get(partition, 0)) for partition, begin in begins.items()}
    missing = sum(offset - saved.offsets.get(partition, 0) for partition, offset in offsets.items())
    return _restoration(Outcome.GAP if missing else Outcome.CONTINUED, offsets, missing, ends)


def _restoration(
    outcome: Outcome, offsets: Mapping[int, int], missing: int, ends: Mapping[int, int]
) -> Restoration:
    again = sum(ends[partition] - offset for partition, offset in offsets.items())
    return Restoration(outcome, dict(offsets), missing, again)
