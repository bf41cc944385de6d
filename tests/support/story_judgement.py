"""Whether a stack's answers to the demo's stories are right at the moment."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Protocol

import httpx

from services.replay.story import Story, StoryStep
from services.replay.wiki import ChangeKind


class Stack(Protocol):
    @property
    def api(self) -> httpx.Client: ...

    def ask(self, question: str, **body: Any) -> dict[str, Any]: ...

    def search(self, question: str, **body: Any) -> list[dict[str, Any]]: ...


# Generous, because CI machines are slow; python -m bench.freshness measures the real figure.
WITHIN = 120.0
ABSENCE = {ChangeKind.DELETE, ChangeKind.MOVE, ChangeKind.UNDELETE, ChangeKind.VISIBILITY}


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


def fault_within(stack: Stack, story: Story, step: int) -> str | None:
    return in_time(lambda: _fault(stack.ask(story.question), story, step))


def in_time(find_fault: Callable[[], str | None]) -> str | None:
    deadline = time.monotonic() + WITHIN
    while (fault := find_fault()) and time.monotonic() < deadline:
        pass
    return fault


def page_fault(stack: Stack, story: Story, step: StoryStep, document_id: str | None) -> str | None:
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


def shown(stack: Stack, story: Story) -> str | None:
    titles = {step.moved_to or step.title for step in story.steps} | {step.title for step in story.steps}
    hits = stack.search(story.question, top_k=20)
    return next((hit["document_id"] for hit in hits if hit["title"] in titles), None)
