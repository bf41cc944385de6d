"""``api.php`` answers as MediaWiki does."""

from __future__ import annotations

from typing import Any

import pytest

from services.replay.mediawiki_api import ApiError, query
from services.replay.story import stories
from services.replay.story_source import StorySource

EARTHQUAKE = next(story for story in stories() if story.story_id == "velmora-earthquake")
START = 1_790_000_000_000
CALL = {
    "action": "query", "prop": "extracts|info|revisions", "rvprop": "ids|timestamp", "explaintext": "1",
    "exsectionformat": "plain", "format": "json", "formatversion": "2",
}  # fmt: skip


@pytest.fixture
def run() -> StorySource:
    source = StorySource(stories(), 1, START, "http://127.0.0.1:8090")
    for story_id, step in (("velmora-earthquake", 1), ("mount-askell", 1), ("bellwether-hoax", 4)):
        source.jump(story_id, step, START)
    return source


def page_of(run: StorySource, **selector: str) -> dict[str, Any]:
    (page,) = query(CALL | selector, run.pages)["query"]["pages"]
    assert isinstance(page, dict)
    return page


def test_a_page_comes_with_the_text_and_the_revision_that_belong_together(run: StorySource) -> None:
    story = EARTHQUAKE
    for step in story.steps:
        run.jump(story.story_id, step.number, START + step.number * 1000)
        page = page_of(run, titles="Velmora earthquake")
        assert page["extract"] == step.text
        assert page["ns"] == 0
        assert page["lastrevid"] == page["revisions"][0]["revid"]
        assert page["revisions"][0]["timestamp"].endswith("Z")
        assert (
            page == page_of(run, pageids=str(page["pageid"])) == page_of(run, revids=str(page["lastrevid"]))
        )


def test_an_old_revision_is_named_but_the_extract_is_of_the_newest(run: StorySource) -> None:
    before = page_of(run, titles="Velmora earthquake")
    run.jump("velmora-earthquake", 2, START + 1000)
    page = page_of(run, revids=str(before["lastrevid"]))
    assert page["revisions"][0]["revid"] == before["lastrevid"]
    assert page["extract"] == EARTHQUAKE.steps[1].text
    assert page["lastrevid"] > before["lastrevid"]


def test_what_does_not_exist_is_missing(run: StorySource) -> None:
    assert page_of(run, pageids="12") == {"pageid": 12, "missing": True}
    assert page_of(run, titles="Nowhere") == {"ns": 0, "title": "Nowhere", "missing": True}
    assert page_of(run, titles="Bellwether sea cow")["missing"] is True
    body = query(CALL | {"revids": "12"}, run.pages)
    assert body["query"] == {"badrevids": {"12": {"revid": 12, "missing": True}}, "pages": []}


def test_titles_are_normalized(run: StorySource) -> None:
    body = query(CALL | {"titles": "velmora_earthquake"}, run.pages)
    assert body["query"]["normalized"] == [
        {"fromencoded": False, "from": "velmora_earthquake", "to": "Velmora earthquake"}
    ]
    assert body["query"]["pages"][0]["title"] == "Velmora earthquake"


def test_hidden_texts_and_redirects_have_an_empty_extract(run: StorySource) -> None:
    run.jump("dellavoy-hidden", 3, START)
    assert page_of(run, titles="Dellavoy Lottery")["extract"] == ""
    run.jump("lowmere-rename", 3, START)
    redirect = page_of(run, titles="Lowmere Halt")
    assert redirect["redirect"] is True
    assert redirect["extract"] == ""


def test_whole_pages_are_extracted_one_a_request(run: StorySource) -> None:
    titles = "Nowhere|Velmora earthquake|Mount Askell"
    first = query(CALL | {"titles": titles}, run.pages)
    assert ["extract" in page for page in first["query"]["pages"]] == [False, True, False]
    assert "batchcomplete" not in first
    second = query(
        CALL | {"titles": titles} | {"excontinue": str(first["continue"]["excontinue"])}, run.pages
    )
    assert ["extract" in page for page in second["query"]["pages"]] == [False, False, True]
    assert second["batchcomplete"] is True


def test_introductions_come_together_and_html_is_escaped(run: StorySource) -> None:
    html = {key: value for key, value in CALL.items() if key != "explaintext"} | {"exintro": "1"}
    pages = query(html | {"titles": "Velmora earthquake|Mount Askell"}, run.pages)["query"]["pages"]
    assert all(page["extract"].startswith("<p>") and "\n" not in page["extract"] for page in pages)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"action": "parse"}, "badvalue"),
        ({"formatversion": "1", "titles": "x"}, "badvalue"),
        ({"prop": "extracts|links"}, "badvalue"),
        ({"pageids": "x"}, "badinteger"),
        ({"pageids": "1", "titles": "x"}, "multisource"),
        ({"pageids": "|".join(map(str, range(51)))}, "toomanyvalues"),
    ],
)
def test_errors_have_mediawikis_shape(run: StorySource, parameters: dict[str, str], code: str) -> None:
    with pytest.raises(ApiError) as raised:
        query(CALL | parameters, run.pages)
    assert raised.value.code == code
    assert raised.value.body["error"]["code"] == code
    assert raised.value.body["error"]["info"]
