"""A question that a stack fed by the replay server can answer. Needs no package."""

from __future__ import annotations

from dataclasses import dataclass

from services.replay.story import Story, stories
from services.replay.wiki import ChangeKind


@dataclass(frozen=True)
class DemoQuestion:
    """``title`` is the page that holds the answer."""

    text: str
    title: str


def demo_question() -> DemoQuestion:
    """Of the first story that is there from the start, keeps its title and always has an answer."""
    return next(DemoQuestion(story.question, story.title) for story in stories() if _always_answerable(story))


def _always_answerable(story: Story) -> bool:
    return story.in_history and all(
        step.op in (ChangeKind.CREATE, ChangeKind.EDIT)
        and step.answer is not None
        and step.redirect_to is None
        for step in story.steps
    )
