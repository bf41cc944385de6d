"""The demo stories through the published port, and answers that are streamed through the gateway."""

from __future__ import annotations

import httpx
from httpx_sse import connect_sse

from services.replay.story import stories
from tests.support.compose_stack import ComposeStack
from tests.support.story_judgement import fault_within


def test_every_story_is_answered_before_and_after_its_next_event(stack: ComposeStack) -> None:
    published: dict[str, int] = stack.replay("GET", "/replay/status")["story_steps"]
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


def test_the_page_of_a_citation_is_served_at_the_address_that_it_names(stack: ComposeStack) -> None:
    published: dict[str, int] = stack.replay("GET", "/replay/status")["story_steps"]
    story = next(story for story in stories() if story.expected_answer(published.get(story.story_id, 0)))
    citation = stack.ask(story.question)["citations"][0]
    assert citation["url"].startswith(stack.facts["urls"]["api"])
    page = httpx.get(citation["url"], trust_env=False)
    assert page.status_code == 200
    assert citation["title"] in page.text


def test_a_stream_is_passed_on_piece_by_piece(stack: ComposeStack) -> None:
    """Each event is there while the response has not ended: nothing waits for the end."""
    question = {"question": "When does the ferry of Orrin sail?"}
    document = {
        "document_id": "compose:ferry",
        "title": "Ferry of Orrin",
        "text": "The ferry of Orrin sails at nine.",
    }
    with connect_sse(stack.api, "POST", "/v1/watch", json=question, timeout=60) as source:
        events = source.iter_sse()
        assert next(events).event == "watching"
        assert stack.api.post("/v1/documents", json=document).status_code == 202
        assert next(event for event in events if event.event == "evidence")
