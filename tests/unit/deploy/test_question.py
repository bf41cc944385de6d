from __future__ import annotations

from typing import Any

import pytest

from deploy.local.question import expects_stories
from deploy.question import demo_question
from services.producer.settings import ProducerSettings
from services.replay.settings import ReplaySettings
from services.replay.story import stories

URL = "http://127.0.0.1:8090"


def test_the_suggested_question_has_an_answer_at_every_moment() -> None:
    suggested = demo_question()
    (story,) = (story for story in stories() if story.question == suggested.text)
    assert story.in_history
    assert {step.title for step in story.steps} == {suggested.title}
    assert all(story.expected_answer(step.number) for step in story.steps)


@pytest.mark.parametrize(
    ("replay", "producer", "expected"),
    [
        ({}, {}, True),
        ({}, {"wikimedia_namespaces": "*"}, True),
        ({"file": "edits.jsonl"}, {}, False),
        ({"history": 0}, {}, False),
        ({"paused": True}, {}, True),
        ({}, {"replay_url": "http://127.0.0.1:9999"}, False),
        ({}, {"source_since": "1h"}, False),
        ({}, {"wikimedia_wikis": "enwiki"}, False),
        ({}, {"wikimedia_namespaces": "4"}, False),
    ],
)
def test_a_start_waits_for_a_story_only_where_one_is_to_come(
    replay: dict[str, Any], producer: dict[str, Any], expected: bool
) -> None:
    settings = ReplaySettings(_env_file=None, **replay), ProducerSettings(_env_file=None, **producer)  # type: ignore[call-arg]
    assert expects_stories(*settings, URL) is expected
