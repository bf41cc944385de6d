from __future__ import annotations

from typing import Any

import pytest

from services.producer.changes import Change, DropReason, Rules
from services.producer.normalizer import Normalizer
from shared.errors import InvalidEvent, InvalidReason
from shared.events import Operation, format_time

ENGLISH = Rules(wikis=frozenset({"enwiki"}), namespaces=frozenset({0}))


def page_change(kind: str = "edit", **changed: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "$schema": "/mediawiki/page/change/1.2.0",
        "meta": {"id": "event-1", "dt": "2026-11-22T09:30:00.250Z", "domain": "en.wikipedia.org"},
        "page_change_kind": kind,
        "dt": "2026-11-22T09:29:59Z",
        "wiki_id": "enwiki",
        "page": {"page_id": 7, "page_title": "Dora_Maar", "namespace_id": 0, "is_redirect": False},
        "performer": {"user_text": "Ada", "is_bot": False},
        "revision": {
            "rev_id": 100, "comment": "/* Life */ new [[Paris|city]]", "is_minor_edit": True,
            "is_content_visible": True, "is_editor_visible": True, "is_comment_visible": True,
            "editor": {"user_text": "Ada", "is_bot": False},
        },
    }  # fmt: skip
    for path, value in changed.items():
        target = body
        *parents, name = path.split("__")
        for parent in parents:
            target = target.setdefault(parent, {})
        if value is None:
            target.pop(name, None)
        else:
            target[name] = value
    return body


def result(body: dict[str, Any], rules: Rules = ENGLISH) -> tuple[Change, ...] | DropReason:
    return Normalizer(rules).normalize(body)


def only(body: dict[str, Any], rules: Rules = ENGLISH) -> Change:
    changes = result(body, rules)
    assert isinstance(changes, tuple)
    (change,) = changes
    return change


def test_an_edit_is_an_upsert_with_every_field_of_the_contract() -> None:
    change = only(page_change())
    event, document = change.event, change.event.document
    assert event.op is Operation.UPSERT
    assert event.event_id == "event-1"
    assert format_time(event.occurred_at) == "2026-11-22T09:30:00.250Z"
    assert document.document_id == "enwiki:7"
    assert document.source == "wikimedia"
    assert document.title == "Dora Maar"
    assert document.text == "Dora Maar was edited: Life: new city."
    assert document.url == "https://en.wikipedia.org/w/index.php?title=Dora_Maar&oldid=100"
    assert document.revision == 100
    assert format_time(document.updated_at) == "2026-11-22T09:29:59.000Z"
    assert document.attributes == {
        "wiki": "enwiki", "namespace": 0, "page_id": 7, "change_kind": "edit", "bot": False, "minor": True,
        "user": "Ada", "comment": "/* Life */ new [[Paris|city]]",
    }  # fmt: skip
    assert change.page is not None
    assert change.page.page_id == 7


def test_the_replay_servers_links_lead_to_itself() -> None:
    change = only(page_change(), Rules(page_base="http://127.0.0.1:8090"))
    assert change.event.document.url == "http://127.0.0.1:8090/wiki/Dora_Maar?oldid=100"


def test_without_a_time_of_its_own_the_messages_counts() -> None:
    assert format_time(only(page_change(dt=None)).event.document.updated_at) == "2026-11-22T09:30:00.250Z"


@pytest.mark.parametrize("kind", ["delete", "undelete", "visibility_change"])
def test_what_reuses_a_revision_is_ordered_by_the_more_exact_time_of_the_message(kind: str) -> None:
    # `dt` has whole seconds: a delete and an undelete within one would have the same version.
    document = only(page_change(kind)).event.document
    assert format_time(document.updated_at) == "2026-11-22T09:30:00.250Z"


def test_odd_titles_and_domains_make_no_odd_links() -> None:
    change = only(page_change(page__page_title='A&B?_#1%_"x"', meta__domain="evil.example/@x"))
    assert change.event.document.url == ""
    change = only(page_change(page__page_title="A&B?_#1"))
    assert change.event.document.url == "https://en.wikipedia.org/w/index.php?title=A%26B%3F_%231&oldid=100"


@pytest.mark.parametrize(
    ("kind", "op"),
    [("create", "upsert"), ("edit", "upsert"), ("move", "upsert"), ("undelete", "upsert"),
     ("visibility_change", "upsert"), ("delete", "delete")],
)  # fmt: skip
def test_the_operation_of_each_kind(kind: str, op: str) -> None:
    change = only(page_change(kind))
    assert change.event.op.value == op
    assert bool(change.event.document.text) == (op == "upsert")


def test_a_rename_keeps_the_id_and_remembers_the_old_title() -> None:
    change = only(page_change("move", prior_state={"page": {"page_title": "Old_name"}}))
    document = change.event.document
    assert (document.document_id, document.title) == ("enwiki:7", "Dora Maar")
    assert document.attributes["moved_from"] == "Old name"
    assert "renamed from Old name" in document.text


def test_a_rename_out_of_the_wanted_namespaces_is_a_delete() -> None:
    change = only(page_change("move", page__namespace_id=118))
    assert change.event.op is Operation.DELETE
    assert change.event.document.document_id == "enwiki:7"


@pytest.mark.parametrize("kind", ["create", "edit", "move", "undelete"])
def test_a_page_that_is_a_redirect_is_a_delete(kind: str) -> None:
    assert only(page_change(kind, page__is_redirect=True)).event.op is Operation.DELETE


def test_hidden_content_is_a_delete_and_visible_again_an_upsert() -> None:
    hidden = only(page_change("visibility_change", revision__is_content_visible=False))
    assert hidden.event.op is Operation.DELETE
    assert only(page_change("visibility_change")).event.op is Operation.UPSERT


@pytest.mark.parametrize(
    "body",
    [
        page_change(wiki_id="dewiki"),
        page_change(page__namespace_id=1),
        page_change("delete", page__namespace_id=1),
        page_change("move", wiki_id="dewiki", page__namespace_id=1),
        page_change(performer__is_bot=True),
        page_change("create", performer__is_bot=True),
        page_change(performer=None, revision__editor__is_bot=True),
    ],
)
def test_what_is_filtered(body: dict[str, Any]) -> None:
    assert result(body) is DropReason.FILTERED


@pytest.mark.parametrize("kind", ["move", "delete", "undelete", "visibility_change"])
def test_a_bots_other_changes_always_pass(kind: str) -> None:
    assert only(page_change(kind, performer__is_bot=True)).event.document.attributes["bot"] is True


def test_a_bot_may_turn_a_page_into_a_redirect() -> None:
    assert only(page_change(performer__is_bot=True, page__is_redirect=True)).event.op is Operation.DELETE


def test_bots_pass_when_they_are_wanted() -> None:
    assert only(page_change(performer__is_bot=True), Rules(include_bots=True)).event.op is Operation.UPSERT


def test_a_hidden_editor_and_comment_are_left_out() -> None:
    document = only(
        page_change(revision__is_editor_visible=False, revision__is_comment_visible=False, comment="by Ada")
    ).event.document
    assert "user" not in document.attributes
    assert "comment" not in document.attributes
    assert document.text == "Dora Maar was edited."


def test_a_redacted_performer_is_tolerated() -> None:
    document = only(page_change(performer={}, revision__editor=None)).event.document
    assert "user" not in document.attributes
    assert document.attributes["bot"] is False


def test_a_lone_surrogate_in_a_comment_does_not_lose_the_edit() -> None:
    assert only(page_change(revision__comment="\ud800 ok")).event.document.attributes["comment"] == "? ok"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"meta__id": None}, InvalidReason.MISSING_FIELD),
        ({"meta__dt": None}, InvalidReason.MISSING_FIELD),
        ({"meta__dt": "soon"}, InvalidReason.INVALID_FIELD),
        ({"dt": "2026-11-22T09:30:00"}, InvalidReason.INVALID_FIELD),
        ({"wiki_id": None}, InvalidReason.MISSING_FIELD),
        ({"page": None}, InvalidReason.MISSING_FIELD),
        ({"page": []}, InvalidReason.INVALID_FIELD),
        ({"page__page_id": None}, InvalidReason.MISSING_FIELD),
        ({"page__page_id": "7"}, InvalidReason.INVALID_FIELD),
        ({"page__page_id": True}, InvalidReason.INVALID_FIELD),
        ({"page__page_id": 0}, InvalidReason.INVALID_FIELD),
        ({"page__page_title": ""}, InvalidReason.MISSING_FIELD),
        ({"page__page_title": "\ud800"}, InvalidReason.INVALID_FIELD),
        ({"page__namespace_id": None}, InvalidReason.MISSING_FIELD),
        ({"revision": None}, InvalidReason.MISSING_FIELD),
        ({"revision__rev_id": 2**63}, InvalidReason.INVALID_FIELD),
        ({"page_change_kind": "merge"}, InvalidReason.INVALID_FIELD),
    ],
)
def test_what_is_missing_or_wrong_is_named(changed: dict[str, Any], reason: InvalidReason) -> None:
    with pytest.raises(InvalidEvent) as error:
        result(page_change(**changed))
    assert error.value.reason is reason
    assert next(iter(changed)).split("__")[-1] in error.value.detail
