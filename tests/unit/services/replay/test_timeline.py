"""The whole demo: counts, real proportions, determinism, and a wiki that agrees with the stories."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from typing import Any

import pytest

from services.replay.event_log import PAGE_CHANGE, RECENT_CHANGE
from services.replay.mediawiki_events import Emission
from services.replay.story import stories
from services.replay.story_source import StorySource, UnknownStory
from services.replay.timeline import BACKGROUND_PAGES, LIVE_SLOTS, SlotKind, timeline

START = 1_790_000_000_000


def source(seed: int = 1, start_ms: int = START) -> StorySource:
    return StorySource(stories(), seed, start_ms, "http://127.0.0.1:8090")


def told(seed: int = 1, start_ms: int = START, count: int | None = None) -> list[list[Emission]]:
    run = source(seed, start_ms)
    changes = count or run.default_history + LIVE_SLOTS
    return [run.advance(start_ms + place * 250) or [] for place in range(changes)]


@pytest.fixture(scope="module")
def whole() -> list[list[Emission]]:
    return told()


def events(changes: list[list[Emission]], stream: str) -> list[dict[str, Any]]:
    flat = itertools.chain.from_iterable(changes)
    return [e.event for e in flat if e.stream == stream and e.event["meta"]["domain"] != "canary"]


def test_two_runs_with_one_seed_and_start_are_equal_to_the_byte(whole: list[list[Emission]]) -> None:
    again = told()
    assert json.dumps([e.event for c in whole for e in c]) == json.dumps([e.event for c in again for e in c])


def test_another_seed_tells_another_timeline() -> None:
    assert told(seed=1, count=600) != told(seed=2, count=600)


def test_there_are_at_least_300_pages_and_2000_revisions(whole: list[list[Emission]]) -> None:
    changes = events(whole, PAGE_CHANGE)
    assert len({event["page"]["page_id"] for event in changes}) >= 300
    assert len({event["revision"]["rev_id"] for event in changes}) >= 2000


def test_the_live_part_has_the_proportions_of_the_real_stream(whole: list[list[Emission]]) -> None:
    live = events(whole[source().default_history :], RECENT_CHANGE)
    shares = {kind: count / len(live) for kind, count in Counter(e["type"] for e in live).items()}
    expected = {"edit": 0.556, "categorize": 0.377, "log": 0.05, "new": 0.017}
    assert shares == pytest.approx(expected, abs=0.01)
    assert sum(event["bot"] for event in live) / len(live) == pytest.approx(0.41, abs=0.03)


def test_canaries_come_on_both_streams_a_few_times_an_hour(whole: list[list[Emission]]) -> None:
    canaries = Counter(e.stream for c in whole for e in c if e.event["meta"]["domain"] == "canary")
    hours = len(whole) * 0.25 / 3600
    assert canaries[PAGE_CHANGE] == canaries[RECENT_CHANGE]
    assert 3 <= canaries[PAGE_CHANGE] / hours <= 30


def test_the_history_holds_most_stories_first() -> None:
    run = source()
    for place in range(run.default_history):
        run.advance(START + place)
    steps = run.story_steps
    assert {steps[story.story_id] for story in stories() if story.in_history} == {1}
    assert {steps[story.story_id] for story in stories() if not story.in_history} == {0}
    assert sum(steps.values()) >= 40
    assert run.default_history == sum(steps.values()) + BACKGROUND_PAGES


def test_every_story_is_told_to_its_end_within_ten_minutes_at_four_a_second() -> None:
    run = source()
    for place in range(run.default_history + 4 * 600):
        run.advance(START + place)
    assert run.story_steps == {story.story_id: len(story.steps) for story in stories()}


def test_the_stream_never_dries_up_and_edits_go_on() -> None:
    slots = itertools.islice(timeline(1, stories()), 6000, 7000)
    kinds = Counter(slot.kind for slot in slots)
    assert kinds[SlotKind.EDIT] > 450
    assert kinds[SlotKind.STORY] == 0


def page_ids(changes: list[list[Emission]]) -> dict[str, int]:
    created = (e for e in events(changes, PAGE_CHANGE) if e["page_change_kind"] == "create")
    pages = (event["page"] for event in created)
    return {page["page_title"]: page["page_id"] for page in pages if not page["is_redirect"]}


def test_page_ids_are_stable_and_revision_ids_grow_from_run_to_run() -> None:
    first, later = told(count=2500), told(start_ms=START + 1000, count=600)
    ids = [page_ids(first), page_ids(later)]
    common = ids[0].keys() & ids[1].keys()
    assert len(common) > 300
    assert all(ids[0][title] == ids[1][title] for title in common)
    assert len(set(ids[0].values())) == len(ids[0])
    revisions = [[e["revision"]["rev_id"] for e in events(run, PAGE_CHANGE)] for run in (first, later)]
    assert max(revisions[0]) < min(revisions[1])


def test_versions_of_a_page_are_strictly_increasing_even_within_one_millisecond() -> None:
    run = source()
    versions: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for story in stories():
        for emission in run.jump(story.story_id, len(story.steps), START):
            if emission.stream == PAGE_CHANGE:
                event = emission.event
                version = (event["revision"]["rev_id"], event["dt"])
                versions[event["page"]["page_id"]].append(version)
    for page_id, seen in versions.items():
        assert seen == sorted(set(seen)), page_id


@pytest.mark.parametrize("story", stories(), ids=lambda story: story.story_id)
def test_after_each_step_the_wiki_shows_that_steps_text(story: Any) -> None:
    run = source()
    for other in stories():
        if other.in_history and other is not story:
            run.jump(other.story_id, 1, START)
    for step in story.steps:
        run.jump(story.story_id, step.number, START + step.number)
        page = run.pages.by_title(step.moved_to or step.title)
        assert (page.visible_text if page else "") == step.text
        if step.moved_to:
            left_behind = run.pages.by_title(step.title)
            assert left_behind is not None
            assert left_behind.visible_text == ""


def test_a_jump_publishes_what_is_missing_and_the_timeline_passes_over_it() -> None:
    run = source()
    story = next(story for story in stories() if story.in_history)
    emissions = run.jump(story.story_id, 3, START)
    assert [e.stream for e in emissions].count(PAGE_CHANGE) == 3
    assert run.jump(story.story_id, 2, START) == []
    first = run.advance(START)
    assert first is not None
    assert first[0].event["page"]["page_title"] != story.title.replace(" ", "_")
    for place in range(3000):
        run.advance(START + place)
    assert run.story_steps[story.story_id] == len(story.steps)


def test_an_unknown_story_or_step_is_refused() -> None:
    with pytest.raises(UnknownStory, match="no story 'x'"):
        source().jump("x", 1, START)
    with pytest.raises(UnknownStory, match="not 99"):
        source().jump(stories()[0].story_id, 99, START)
