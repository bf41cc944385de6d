"""Carries out the timeline on the story wiki: slots become changes, changes become events."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from services.replay.background import BOTS, HUMANS, BackgroundPage, background_page
from services.replay.event_log import STREAMS, JsonObject
from services.replay.mediawiki_events import Emission, EventRenderer
from services.replay.seeding import seeded
from services.replay.story import Story, StoryStep
from services.replay.timeline import BOT_SHARE, Slot, SlotKind, history, timeline
from services.replay.wiki import Change, ChangeKind, Editor, Wiki

_REVISIONS_PER_MS = 16
"""Reserved when the first revision id is derived from the start time: a later run gets greater ids
unless this one published faster than that from its start to its end."""

_BACKGROUND_BOT_SHARE = BOT_SHARE * 1.1
"""Stories and new pages, about 9 % of the live part, are the work of people."""

_LOGS: tuple[tuple[str, str, JsonObject], ...] = (
    ("patrol", "patrol", {"auto": 1}),
    ("newusers", "create", {}),
    ("thanks", "thank", {}),
    ("block", "block", {"duration": "31 hours", "flags": "nocreate"}),
)


class UnknownStory(LookupError):
    """There is no such story, or it has no such step."""


class StorySource:
    """One run of the demo wiki. Deterministic in ``seed``, ``start_ms``, ``page_url`` and the calls made.

    ``advance`` and ``jump`` return the events of one change; times are in ms.
    """

    total: int | None = None
    mode = "stories"

    def __init__(self, told: Sequence[Story], seed: int, start_ms: int, page_url: str) -> None:
        self.pages = Wiki(next_revision=start_ms * _REVISIONS_PER_MS)
        self.default_history = sum(1 for _ in history(told))
        self._seed = seed
        self._stories = {story.story_id: story for story in told}
        self._steps = dict.fromkeys(self._stories, 0)
        self._slots = timeline(seed, told)
        self._ordinary: list[BackgroundPage] = []
        self._renderer = EventRenderer(page_url, run=f"{seed}:{start_ms}")
        self._next_rcid = start_ms

    @property
    def story_steps(self) -> dict[str, int]:
        """The last published step of each story; 0 before its page exists."""
        return dict(self._steps)

    def advance(self, now_ms: int) -> list[Emission] | None:
        """The next change of the timeline; steps that a jump has already published are passed over."""
        while True:
            slot = next(self._slots)
            if slot.kind is not SlotKind.STORY:
                return self._background(slot, now_ms)
            if slot.step > self._steps[slot.story_id]:
                return self.jump(slot.story_id, slot.step, now_ms)

    def jump(self, story_id: str, step: int | None, now_ms: int) -> list[Emission]:
        """Publish a story up to ``step``, by default the next one; nothing if it is already there.

        :raises UnknownStory: no such story or step.
        """
        story = self._stories.get(story_id)
        if story is None:
            raise UnknownStory(f"no story {story_id!r}")
        done = self._steps[story_id]
        target = min(done + 1, len(story.steps)) if step is None else step
        if not 1 <= target <= len(story.steps):
            raise UnknownStory(f"story {story_id!r} has steps 1 to {len(story.steps)}, not {target}")
        emissions: list[Emission] = []
        for story_step in story.steps[done:target]:
            editor = HUMANS[(len(story_id) + story_step.number) % len(HUMANS)]
            emissions += self._show(*self._apply(story_step, editor, now_ms))
            self._steps[story_id] = story_step.number
        return emissions

    def _apply(self, step: StoryStep, editor: Editor, ms: int) -> tuple[Change, ...]:
        wiki, title, comment = self.pages, step.title, step.comment
        match step.op:
            case ChangeKind.CREATE:
                return (wiki.create(title, step.text, editor, comment, ms),)
            case ChangeKind.MOVE:
                return wiki.move(title, step.moved_to or title, step.text, editor, comment, ms)
            case ChangeKind.DELETE:
                return (wiki.delete(title, editor, comment, ms),)
            case ChangeKind.UNDELETE:
                return (wiki.undelete(title, editor, comment, ms),)
            case ChangeKind.VISIBILITY:
                return (wiki.set_visibility(title, step.visibility, editor, comment, ms),)
            case ChangeKind.EDIT:
                target = step.redirect_to
                text = f"#REDIRECT [[{target}]]" if target else step.text
                return (wiki.edit(title, text, editor, comment, ms, redirect_to=target),)

    def _background(self, slot: Slot, ms: int) -> list[Emission]:
        rng = seeded(self._seed, "slot", slot.number)
        by_bot = slot.kind is not SlotKind.NEW and rng.random() < _BACKGROUND_BOT_SHARE
        editor = rng.choice(BOTS if by_bot else HUMANS)
        if slot.kind is SlotKind.CANARY:
            return [self._renderer.canary(stream, ms, slot.number) for stream in STREAMS]
        if slot.kind is SlotKind.NEW:
            page = background_page(self._seed, slot.page)
            if self.pages.by_title(page.title) is None:
                self._ordinary.append(page)
                return self._show(self.pages.create(page.title, page.text, editor, "new page", ms))
        if slot.kind is SlotKind.LOG or not self._ordinary:
            return self._log(rng, editor, ms)
        page = rng.choice(self._ordinary)
        if slot.kind is SlotKind.CATEGORIZE:
            return [self._renderer.categorize(self._rcid(), ms, page.category, page.title, editor)]
        comment, minor = page.edit(rng)
        return self._show(self.pages.edit(page.title, page.text, editor, comment, ms, minor=minor))

    def _log(self, rng: Random, editor: Editor, ms: int) -> list[Emission]:
        log_type, action, params = rng.choice(_LOGS)
        title = f"User:{rng.choice(HUMANS).name}"
        return [
            self._renderer.log_entry(self._rcid(), ms, title, 2, editor, "", log_type, action, dict(params))
        ]

    def _show(self, *changes: Change) -> list[Emission]:
        """Every change on page_change; on recentchange without the redirect that a move leaves."""
        emissions = [self._renderer.page_change(change) for change in changes]
        return [*emissions, self._renderer.recent_change(changes[0], self._rcid())]

    def _rcid(self) -> int:
        self._next_rcid += 1
        return self._next_rcid
