"""The demo stories through the whole stack: every answer must be the one that is right at that moment."""

from __future__ import annotations

from functools import partial

import pytest

from bench.stack import RunningStack
from services.replay.story import Story, stories
from tests.support.story_judgement import ABSENCE, fault_within, in_time, page_fault, shown


def _published(stack: RunningStack) -> dict[str, int]:
    steps: dict[str, int] = stack.replay.get("/replay/status").json()["story_steps"]
    return steps


def test_every_story_is_answered_before_and_after_its_next_event(stack: RunningStack) -> None:
    published = _published(stack)
    faults = {}
    for story in stories():
        before = published.get(story.story_id, 0)
        if fault := fault_within(stack, story, before):
            faults[f"{story.story_id} at step {before}"] = fault
        if before < len(story.steps):
            stack.publish(story.story_id, before + 1)
            if fault := fault_within(stack, story, before + 1):
                faults[f"{story.story_id} after step {before + 1}"] = fault
    assert not faults, "\n".join(f"{where}: {fault}" for where, fault in faults.items())


@pytest.mark.parametrize(
    "story",
    [story for story in stories() if {step.op for step in story.steps} & ABSENCE],
    ids=lambda story: story.story_id,
)
def test_pages_that_are_deleted_renamed_hidden_or_restored(stack: RunningStack, story: Story) -> None:
    document_id = shown(stack, story)
    for step in story.steps[_published(stack).get(story.story_id, 0) :]:
        stack.publish(story.story_id, step.number)
        assert in_time(partial(page_fault, stack, story, step, document_id)) is None
        assert fault_within(stack, story, step.number) is None
        document_id = shown(stack, story) or document_id


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
