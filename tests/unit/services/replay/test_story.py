"""The stories as data: enough of them, readable, and right about their own answers."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from services.replay.background import background_page
from services.replay.story import Story, StoryStep, parse_story, stories
from services.replay.timeline import BACKGROUND_PAGES
from services.replay.wiki import ChangeKind

STEPS = [(story, step) for story in stories() for step in story.steps]
each_step = pytest.mark.parametrize(
    ("story", "step"), STEPS, ids=[f"{story.story_id}-{step.number}" for story, step in STEPS]
)


def test_there_are_enough_stories_and_each_can_be_told_from_the_others() -> None:
    told = stories()
    assert len(told) >= 40
    for names in ([s.story_id for s in told], [s.title for s in told], [s.question for s in told]):
        assert len(set(names)) == len(names)
    assert sum(len(story.steps) >= 5 for story in told) >= 0.8 * len(told)


def test_every_operation_occurs() -> None:
    assert {step.op for _, step in STEPS} == set(ChangeKind)
    assert any(step.redirect_to for _, step in STEPS)
    assert any(not step.visibility.content for _, step in STEPS)
    assert any(step.op is ChangeKind.VISIBILITY and step.visibility.content for _, step in STEPS)


@each_step
def test_the_text_states_the_answer_once_and_no_earlier_answer(story: Story, step: StoryStep) -> None:
    if step.answer is None:
        assert step.text == ""
        return
    sentences = re.split(r"(?<=[.!?])\s+", step.text)
    assert sum(step.answer[0] in sentence for sentence in sentences) == 1
    assert [wrong for wrong in step.not_answers if wrong in step.text] == []
    assert all(len(answer) >= 2 for answer in step.answer)


@each_step
def test_the_text_reads_like_an_article(story: Story, step: StoryStep) -> None:
    if step.text:
        assert 60 <= len(step.text.split()) <= 200
        assert 2 <= step.text.count("\n") + 1 <= 6
        assert "{" not in step.text
        assert "  " not in step.text


@each_step
def test_the_answer_sentence_resembles_the_question(story: Story, step: StoryStep) -> None:
    if step.answer is None:
        return
    words = {word for word in re.findall(r"\w+", story.question.lower()) if len(word) > 3}
    sentence = next(s for s in re.split(r"(?<=[.!?])\s+", step.text) if step.answer[0] in s).lower()
    assert sum(word[:5] in sentence for word in words) >= len(words) / 2


@pytest.mark.parametrize("story", stories(), ids=lambda story: story.story_id)
def test_the_steps_are_a_possible_history(story: Story) -> None:
    assert story.steps[0].op is ChangeKind.CREATE
    assert all(step.op is not ChangeKind.CREATE for step in story.steps[1:])
    for before, after in pairwise(story.steps):
        assert (after.op is ChangeKind.UNDELETE) == (before.op is ChangeKind.DELETE)
        assert after.title == (before.moved_to or before.title)
        text_is_new = after.op in (ChangeKind.EDIT, ChangeKind.MOVE)
        assert not text_is_new or after.text != before.text
    assert story.expected_answer(0) is None
    assert story.wrong_answers(0) == ()
    assert story.expected_answer(len(story.steps)) == story.steps[-1].answer


def test_redirects_lead_to_a_story_of_the_history() -> None:
    targets = {step.redirect_to for _, step in STEPS if step.redirect_to}
    assert targets <= {story.title for story in stories() if story.in_history}


def test_ordinary_pages_share_no_name_with_a_story() -> None:
    def names(title: str) -> set[str]:
        return {word for word in re.findall(r"[A-Z]\w+", title) if len(word) > 4}

    story_names = {name for story in stories() for name in names(story.title)} - {"Lighthouse", "River"}
    clashes = {
        page.title for page in (background_page(1, n) for n in range(BACKGROUND_PAGES))
        if names(page.title) & story_names
    }  # fmt: skip
    assert clashes == set()


def test_steps_inherit_and_earlier_answers_become_wrong() -> None:
    story = parse_story(
        {
            "id": "x", "kind": "k", "title": "Old", "question": "q?", "text": ["{place} has {answer}."],
            "values": {"place": "Here"},
            "steps": [
                {"op": "create", "answer": ["one", "1"]},
                {"answer": ["two"], "append": "More."},
                {"op": "move", "to": "New"},
                {"op": "delete", "answer": None},
                {"op": "undelete", "answer": ["one", "1"]},
            ],
        }
    )  # fmt: skip
    assert [step.text for step in story.steps] == [
        "Here has one.", "Here has two.\nMore.", "Here has two.\nMore.", "", "Here has one.\nMore.",
    ]  # fmt: skip
    assert [step.title for step in story.steps] == ["Old", "Old", "Old", "New", "New"]
    assert [step.not_answers for step in story.steps] == [
        (), ("one", "1"), ("one", "1"), ("one", "1", "two"), ("two",),
    ]  # fmt: skip
