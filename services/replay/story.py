"""The evolving stories of the demo wiki, with a question and its right answer at every moment.

A story in ``stories/*.json``::

    {"id", "kind", "title", "question", "starts": "history" | "live",
     "text": ["paragraph with {answer} and {other} values", ...], "values": {"other": "..."},
     "steps": [{"op": "create", "answer": ["47"], "values": {...}, "append": "...", "comment": "..."}]}

Every step inherits what the step before it had. ``answer`` lists the acceptable strings, the first of
which stands in the text as ``{answer}``; ``null`` means that nothing is known any more. ``append`` adds
a paragraph for good, ``text`` replaces all of them. ``to`` is the new title of a move, ``redirect_to``
the target of an edit that turns the page into a redirect, ``visible`` the visibility of a
``visibility_change``. Steps are numbered from 1; at step 0 the page does not exist yet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from services.replay.wiki import VISIBLE, ChangeKind, Visibility


@dataclass(frozen=True, slots=True)
class StoryStep:
    """The page right after this step; ``text`` is empty where a reader sees none."""

    number: int
    op: ChangeKind
    title: str
    text: str
    answer: tuple[str, ...] | None
    not_answers: tuple[str, ...]
    comment: str
    moved_to: str | None = None
    redirect_to: str | None = None
    visibility: Visibility = VISIBLE


@dataclass(frozen=True, slots=True)
class Story:
    story_id: str
    kind: str
    question: str
    in_history: bool
    steps: tuple[StoryStep, ...]

    @property
    def title(self) -> str:
        return self.steps[0].title

    def expected_answer(self, step: int) -> tuple[str, ...] | None:
        """Strings of which a right answer holds one, once ``step`` was published; ``None`` where the
        right response is to know nothing. Step 0 is before the page exists."""
        return None if step == 0 else self.steps[step - 1].answer

    def wrong_answers(self, step: int) -> tuple[str, ...]:
        """Answers of earlier steps, none of which may be given once ``step`` was published."""
        return () if step == 0 else self.steps[step - 1].not_answers


@cache
def stories() -> tuple[Story, ...]:
    """All stories, in the order of their files and places in them."""
    files = (entry for entry in resources.files("services.replay.stories").iterdir())
    return tuple(
        parse_story(raw)
        for entry in sorted(files, key=lambda entry: entry.name)
        if entry.name.endswith(".json")
        for raw in json.loads(entry.read_text(encoding="utf-8"))
    )


def parse_story(raw: Mapping[str, Any]) -> Story:
    return Story(
        story_id=raw["id"],
        kind=raw["kind"],
        question=raw["question"],
        in_history=raw.get("starts", "history") == "history",
        steps=tuple(_steps(raw)),
    )


def _steps(raw: Mapping[str, Any]) -> Iterator[StoryStep]:
    title: str = raw["title"]
    paragraphs: list[str] = list(raw["text"])
    values: dict[str, str] = dict(raw.get("values", {}))
    answer: list[str] | None = None
    earlier: list[str] = []
    for number, step in enumerate(raw["steps"], start=1):
        op = ChangeKind(step.get("op", "edit"))
        answer = step.get("answer", answer)
        values |= step.get("values", {})
        if answer is not None:
            values["answer"] = answer[0]
        paragraphs = list(step.get("text", paragraphs))
        if "append" in step:
            paragraphs.append(step["append"])
        redirect_to = step.get("redirect_to")
        visibility = Visibility(**step.get("visible", {}))
        hidden = op is ChangeKind.DELETE or redirect_to is not None or not visibility.content
        yield StoryStep(
            number=number,
            op=op,
            title=title,
            text="" if hidden else "\n".join(paragraphs).format_map(values),
            answer=None if answer is None else tuple(answer),
            not_answers=tuple(value for value in earlier if value not in (answer or ())),
            comment=step.get("comment", "update"),
            moved_to=step.get("to"),
            redirect_to=redirect_to,
            visibility=visibility,
        )
        title = step.get("to", title)
        earlier += [value for value in answer or () if value not in earlier]
