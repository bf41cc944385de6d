"""What happens on the demo wiki, and in what order. Pure: the same seed gives the same timeline.

First the history (every page that exists at start, stories first), then ``LIVE_SLOTS`` changes with the
stories' updates among ordinary ones in the proportions of the real stream, then ordinary changes
without end. A slot is an intention; ``services.replay.story_source`` carries it out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from services.replay.seeding import seeded
from services.replay.story import Story, stories
from services.replay.wiki import ChangeKind

BACKGROUND_PAGES = 300
LIVE_SLOTS = 3000
STORY_SLOTS = 2280
"""The stories end within so many live slots: nine and a half minutes at four a second."""
CANARY_EVERY = 900
BOT_SHARE = 0.41
"""Of all events of the live stream, measured; stories are written by people."""

__all__ = ["Slot", "SlotKind", "history", "live_slots", "stories", "timeline"]


class SlotKind(StrEnum):
    STORY = "story"
    EDIT = "edit"
    NEW = "new"
    LOG = "log"
    CATEGORIZE = "categorize"
    CANARY = "canary"


SHARES = {SlotKind.EDIT: 0.556, SlotKind.CATEGORIZE: 0.377, SlotKind.LOG: 0.05, SlotKind.NEW: 0.017}
"""Of the events on recentchange, measured on the live stream."""


@dataclass(frozen=True, slots=True)
class Slot:
    """``number`` counts slots from 0 and seeds whatever chance decides; ``page`` is set on a new
    background page, ``story_id`` and ``step`` on a story's."""

    number: int
    kind: SlotKind
    page: int = -1
    story_id: str = ""
    step: int = 0


def timeline(seed: int, told: Sequence[Story]) -> Iterator[Slot]:
    past = list(history(told))
    yield from past
    yield from live_slots(seed, told, first_number=len(past), first_page=BACKGROUND_PAGES)


def history(told: Iterable[Story]) -> Iterator[Slot]:
    """Every page that exists at start."""
    numbers = itertools.count()
    for story in told:
        if story.in_history:
            yield Slot(next(numbers), SlotKind.STORY, story_id=story.story_id, step=1)
    for page in range(BACKGROUND_PAGES):
        yield Slot(next(numbers), SlotKind.NEW, page=page)


def live_slots(seed: int, told: Sequence[Story], first_number: int, first_page: int) -> Iterator[Slot]:
    numbers, pages = itertools.count(first_number), itertools.count(first_page)
    rng = seeded(seed, "live")
    updates = _spread_updates(rng, told)
    ordinary = iter(_ordinary_kinds(rng, told))
    for place in range(LIVE_SLOTS):
        if place in updates:
            story_id, step = updates[place]
            yield Slot(next(numbers), SlotKind.STORY, story_id=story_id, step=step)
        else:
            yield _ordinary(next(numbers), next(ordinary), pages)
    while True:
        yield _ordinary(next(numbers), rng.choices(list(SHARES), list(SHARES.values()))[0], pages)


def _ordinary(number: int, kind: SlotKind, pages: Iterator[int]) -> Slot:
    if number % CANARY_EVERY == CANARY_EVERY // 2:
        return Slot(number, SlotKind.CANARY)
    return Slot(number, kind, page=next(pages) if kind is SlotKind.NEW else -1)


def _spread_updates(rng: Random, told: Sequence[Story]) -> dict[int, tuple[str, int]]:
    """Place → (story, step): each story's steps in order, at even distances with some chance."""
    updates: dict[int, tuple[str, int]] = {}
    for story in told:
        first = 2 if story.in_history else 1
        pending = len(story.steps) - first + 1
        width = STORY_SLOTS / (pending + 1) if pending else 0
        offset = rng.uniform(0.1, 0.9)
        for turn in range(pending):
            place = int(width * (turn + offset + rng.uniform(0, 0.5)))
            while place in updates:
                place += 1
            updates[place] = (story.story_id, first + turn)
    return updates


def _ordinary_kinds(rng: Random, told: Sequence[Story]) -> list[SlotKind]:
    """So many of each kind that, with the stories' own changes, the live part has the real shares."""
    taken = dict.fromkeys(SHARES, 0)
    for story in told:
        for step in story.steps[1 if story.in_history else 0 :]:
            taken[_shown_as(step.op)] += 1
    kinds = [
        kind for kind, share in SHARES.items() for _ in range(max(0, round(LIVE_SLOTS * share) - taken[kind]))
    ]
    rng.shuffle(kinds)
    return kinds


def _shown_as(op: ChangeKind) -> SlotKind:
    """How recentchange shows a page operation."""
    shown = {ChangeKind.CREATE: SlotKind.NEW, ChangeKind.EDIT: SlotKind.EDIT}
    return shown.get(op, SlotKind.LOG)
