"""The demo stories through the whole stack: every answer must be the one that is right at that moment."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from bench.stack import RunningStack
from services.replay.story import Story, StoryStep, stories
from services.replay.wiki import ChangeKind

# Generous, because CI machines are slow; python -m bench.freshness measures the real figure.
WITHIN = 120.0
_ABSENCE = {ChangeKind.DELETE, ChangeKind.MOVE, ChangeKind.UNDELETE, ChangeKind.VISIBILITY}


def _mentions(text: str, answer: str) -> bool:
    """As a whole: "7" is not mentioned by "47" nor by "7,000"."""
    return re.search(rf"(?<![\w.,]){re.escape(answer)}(?![\w]|[.,]\d)", text, re.IGNORECASE) is not None


def _fault(answer: dict[str, Any], story: Story, step: int) -> str | None:
    """What is wrong with an answer once ``step`` was published."""
    expected = story.expected_answer(step)
    text = answer["answer"]
    if expected is None:
        return None if answer["outcome"] == "no_context" else f"should know nothing, says {text!r}"
    if not any(_mentions(text, value) for value in expected):
        return f"expected one of {expected}, got {answer['outcome']} {text!r}"
    stale = [value for value in story.wrong_answers(step) if _mentions(text, value)]
    return f"says the outdated {stale}: {text!r}" if stale else None


def _fault_within(stack: RunningStack, story: Story, step: int) -> str | None:
    return _in_time(lambda: _fault(stack.ask(story.question), story, step))


def _in_time(find_fault: Callable[[], str | None]) -> str | None:
    deadline = time.monotonic() + WITHIN
    while (fault := find_fault()) and time.monotonic() < deadline:
        pass
    return fault


def _page_fault(stack: RunningStack, story: Story, step: StoryStep, document_id: str | None) -> str | None:
    """What is wrong with how the page is found, once ``step`` was published; ``document_id``: as it was found
    before."""
    hits = stack.search(story.question, top_k=20)
    under_title = {hit["title"]: hit["document_id"] for hit in hits}
    title = step.moved_to or step.title
    if step.moved_to and step.title in under_title:
        return "still found under its old title"
    if _takes_away(step):
        assert document_id is not None, "no step before it showed the page"
        status = stack.api.get(f"/v1/documents/{document_id}").status_code
        return None if title not in under_title and status == 404 else f"still there: {status}"
    if step.text:
        if title not in under_title:
            return f"not found under {title!r}"
        document = stack.api.get(f"/v1/documents/{under_title[title]}").json()
        found, expected = (document["title"], document["text"].strip()), (title, step.text.strip())
        return None if found == expected else f"found {found}, expected {expected}"
    return None


def _takes_away(step: StoryStep) -> bool:
    return step.op is ChangeKind.DELETE or not step.visibility.content


def _shown(stack: RunningStack, story: Story) -> str | None:
    titles = {step.moved_to or step.title for step in story.steps} | {step.title for step in story.steps}
    hits = stack.search(story.question, top_k=20)
    return next((hit["document_id"] for hit in hits if hit["title"] in titles), None)


def _published(stack: RunningStack) -> dict[str, int]:
    steps: dict[str, int] = stack.replay.get("/replay/status").json()["story_steps"]
    return steps


def test_every_story_is_answered_before_and_after_its_next_event(stack: RunningStack) -> None:
    published = _published(stack)
    faults = {}
    for story in stories():
        before = published.get(story.story_id, 0)
        if fault := _fault_within(stack, story, before):
            faults[f"{story.story_id} at step {before}"] = fault
        if before < len(story.steps):
            stack.publish(story.story_id, before + 1)
            if fault := _fault_within(stack, story, before + 1):
                faults[f"{story.story_id} after step {before + 1}"] = fault
    assert not faults, "\n".join(f"{where}: {fault}" for where, fault in faults.items())


@pytest.mark.parametrize(
    "story",
    [story for story in stories() if {step.op for step in story.steps} & _ABSENCE],
    ids=lambda story: story.story_id,
)
def test_pages_that_are_deleted_renamed_hidden_or_restored(stack: RunningStack, story: Story) -> None:
    document_id = _shown(stack, story)
    for step in story.steps[_published(stack).get(story.story_id, 0) :]:
        stack.publish(story.story_id, step.number)
        assert _in_time(partial(_page_fault, stack, story, step, document_id)) is None
        assert _fault_within(stack, story, step.number) is None
        document_id = _shown(stack, story) or document_id


def test_an_answer_is_cited_dated_and_quoted_verbatim(stack: RunningStack) -> None:
    published = _published(stack)
    story = next(
        story for story in stories() if story.expected_answer(published.get(story.story_id, 0)) is not None
    )
    answer = stack.ask(story.question)
    assert answer["outcome"] == "answered"
    assert answer["as_of"].endswith("Z")
    assert answer["freshness_seconds"] >= 0
    assert answer["citations"]
    for citation in answer["citations"]:
        assert f"[{citation['marker']}]" in answer["answer"]
        document = stack.api.get(f"/v1/documents/{citation['document_id']}").json()
        assert citation["quote"] in document["text"]
        assert citation["revision"] == document["revision"]
        page = stack.replay.get(citation["url"])
        assert page.status_code == 200
        assert citation["title"] in page.text


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of Australia?",
        "Who won the 1998 football World Cup?",
        "How many people did the earthquake in Quelland kill?",
        "how many people did the earthquake in quelland kill",
        "How many people did the earthquake in Velmora kill in 2019?",
        "how do i bake sourdough bread",
    ],
)
def test_what_is_not_in_the_stream_is_not_answered(stack: RunningStack, question: str) -> None:
    answer = stack.ask(question)
    assert (answer["outcome"], answer["citations"]) == ("no_context", [])
