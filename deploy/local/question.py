"""A question that a stack fed by the replay server can answer."""

from __future__ import annotations

from dataclasses import dataclass

from services.producer.settings import ProducerSettings
from services.replay.settings import ReplaySettings
from services.replay.story import Story, stories
from services.replay.wiki import ChangeKind


@dataclass(frozen=True)
class DemoQuestion:
    """``title`` is the page that holds the answer."""

    text: str
    title: str


def expects_stories(replay: ReplaySettings, producer: ProducerSettings, replay_url: str) -> bool:
    """Whether the demo's stories are what is replayed from the start, and none is filtered out."""
    return (
        replay.file is None
        and replay.history is None
        and producer.replay_url == replay_url
        and producer.source_since is None
        and not producer.wikimedia_wikis
        and (not producer.namespaces or 0 in producer.namespaces)
    )


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
