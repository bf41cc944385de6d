"""Events of the story wiki against the schemas' required fields and against real events."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from services.replay.event_log import PAGE_CHANGE, RECENT_CHANGE
from services.replay.mediawiki_events import Emission, content_sha1
from services.replay.story import stories
from services.replay.story_source import StorySource

START = 1_790_000_000_000


def told(story_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """page_change and recentchange events of one story, in order, a second apart."""
    run = StorySource(stories(), 1, START, "http://127.0.0.1:8090")
    run.jump("fellgate-festival", 1, START)
    story = next(story for story in stories() if story.story_id == story_id)
    emissions: list[Emission] = []
    for step in story.steps:
        emissions += run.jump(story_id, step.number, START + step.number * 1000)
    changes = [e.event for e in emissions if e.stream == PAGE_CHANGE]
    return changes, [e.event for e in emissions if e.stream == RECENT_CHANGE]


@pytest.mark.parametrize("story", stories(), ids=lambda story: story.story_id)
def test_page_change_has_what_schema_1_2_0_requires(story: Any) -> None:
    for event in told(story.story_id)[0]:
        assert event["$schema"] == "/mediawiki/page/change/1.2.0"
        assert event["changelog_kind"] in ("insert", "update", "delete")
        assert event["wiki_id"] == "meridianwiki"
        assert event["meta"]["stream"] == PAGE_CHANGE
        assert event["meta"]["domain"] == "meridian.wiki.example"
        assert event["meta"]["dt"] == event["dt"]
        uuid.UUID(event["meta"]["id"])
        assert " " not in event["page"]["page_title"]
        assert isinstance(event["page"]["page_id"], int)
        assert isinstance(event["revision"]["rev_id"], int)
        assert {"is_content_visible", "is_editor_visible", "is_comment_visible"} <= event["revision"].keys()


def test_a_move_names_the_old_title_and_the_redirect_has_an_event_of_its_own() -> None:
    changes, recent = told("lowmere-rename")
    moved = next(e for e in changes if e["page_change_kind"] == "move")
    redirect = changes[changes.index(moved) + 1]
    assert moved["page"]["page_title"] == "Lowmere_railway_station"
    assert moved["prior_state"]["page"]["page_title"] == "Lowmere_Halt"
    assert moved["page"]["page_id"] == changes[0]["page"]["page_id"]
    link = redirect["page"].pop("redirect_page_link")
    assert moved["created_redirect_page"] == redirect["page"]
    assert redirect["page_change_kind"] == "create"
    assert redirect["page"]["is_redirect"] is True
    assert redirect["page"]["page_id"] != moved["page"]["page_id"]
    assert link["page_id"] == moved["page"]["page_id"]
    logged = next(e for e in recent if e["type"] == "log")
    assert (logged["log_type"], logged["title"]) == ("move", "Lowmere Halt")
    assert logged["log_params"] == {"target": "Lowmere railway station", "noredir": "0"}


def test_delete_and_undelete_reuse_the_revision_with_a_later_time() -> None:
    changes, recent = told("tavish-undelete")
    edited, deleted, restored = changes[1:4]
    assert [e["page_change_kind"] for e in (deleted, restored)] == ["delete", "undelete"]
    assert [e["changelog_kind"] for e in (deleted, restored)] == ["delete", "insert"]
    assert len({e["revision"]["rev_id"] for e in (edited, deleted, restored)}) == 1
    assert edited["dt"] < deleted["dt"] < restored["dt"]
    assert deleted["page"]["revision_count"] == 2
    assert [e["log_action"] for e in recent if e["type"] == "log"] == ["delete", "restore"]
    assert next(e for e in recent if e["type"] == "log")["log_params"] == []


def test_a_hidden_text_is_not_in_the_event_and_its_return_is_told() -> None:
    changes, _ = told("dellavoy-hidden")
    hidden, shown = (e for e in changes if e["page_change_kind"] == "visibility_change")
    assert hidden["revision"]["is_content_visible"] is False
    assert hidden["prior_state"]["revision"] == {"is_content_visible": True}
    assert "content_slots" not in hidden["revision"]
    assert "rev_sha1" not in hidden["revision"]
    assert shown["revision"]["is_content_visible"] is True
    assert hidden["revision"]["rev_id"] == shown["revision"]["rev_id"] == changes[1]["revision"]["rev_id"]


def test_a_hidden_comment_is_left_out() -> None:
    changes, _ = told("wexcombe-comment")
    hidden = next(e for e in changes if e["page_change_kind"] == "visibility_change")
    assert "comment" not in hidden["revision"]
    assert hidden["revision"]["is_content_visible"] is True


def test_a_page_turned_into_a_redirect_names_its_target() -> None:
    last = told("mossgate-redirect")[0][-1]
    assert last["page_change_kind"] == "edit"
    assert last["page"]["is_redirect"] is True
    assert last["page"]["redirect_page_link"]["page_title"] == "Fellgate_Folk_Festival"


def test_recentchange_has_plain_titles_and_old_and_new_of_an_edit() -> None:
    created, edited, *_ = told("velmora-earthquake")[1]
    assert created["title"] == edited["title"] == "Velmora earthquake"
    assert created["type"] == "new"
    assert created["revision"].keys() == {"new"}
    assert edited["revision"]["old"] == created["revision"]["new"]
    assert edited["length"]["old"] == created["length"]["new"]
    assert edited["timestamp"] == (START + 2000) // 1000
    assert edited["title_url"] == "http://127.0.0.1:8090/wiki/Velmora_earthquake"


def test_the_checksum_is_mediawikis() -> None:
    # The SHA-1 of nothing, as MediaWiki stores it.
    assert content_sha1("") == "phoiac9h4m842xq45sp7s6u21eteeq1"


def test_our_events_have_no_field_that_real_ones_lack(shared_data: Path) -> None:
    with (shared_data / "wikimedia_examples.jsonl").open(encoding="utf-8") as lines:
        real = [json.loads(line)["data"] for line in lines]
    real_changes = [e for e in real if "page_change_kind" in e]
    for name in ("velmora-earthquake", "lowmere-rename", "tavish-undelete", "dellavoy-hidden"):
        for event in told(name)[0]:
            kind = event["page_change_kind"]
            alike = [e for e in real_changes if e["page_change_kind"] == kind]
            known = {key for e in alike for key in e}
            assert event.keys() <= known, kind
            assert event["revision"].keys() <= {key for e in real_changes for key in e["revision"]}
    real_recent = [e for e in real if e.get("type") in ("edit", "new", "log")]
    known = {key for e in real_recent for key in e}
    for event in told("tavish-undelete")[1]:
        assert event.keys() <= known
