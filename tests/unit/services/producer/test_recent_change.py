from __future__ import annotations

from typing import Any

import pytest

from services.producer.changes import Change, DropReason, Rules
from services.producer.namespaces import namespace_of_target
from services.producer.normalizer import Normalizer
from shared.errors import InvalidEvent, InvalidReason
from shared.events import Operation

ENGLISH = Rules(wikis=frozenset({"enwiki"}), namespaces=frozenset({0}))


def recent_change(kind: str = "edit", **changed: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "$schema": "/mediawiki/recentchange/1.0.1",
        "meta": {"id": "event-1", "dt": "2026-11-22T09:30:00.250Z", "domain": "en.wikipedia.org"},
        "type": kind, "namespace": 0, "title": "Dora Maar", "comment": "fix", "user": "Ada", "bot": False,
        "minor": False, "wiki": "enwiki", "revision": {"old": 99, "new": 100},
    }  # fmt: skip
    return {name: value for name, value in (body | changed).items() if value is not None}


def log_entry(log_type: str, action: str, **changed: Any) -> dict[str, Any]:
    entry = recent_change(
        "log", log_type=log_type, log_action=action, log_params=[], revision=None, id=None, minor=None
    )
    return entry | changed


def changes_of(normalizer: Normalizer, body: dict[str, Any]) -> tuple[Change, ...]:
    result = normalizer.normalize(body)
    assert isinstance(result, tuple)
    return result


def test_an_edit() -> None:
    (change,) = changes_of(Normalizer(ENGLISH), recent_change())
    document = change.event.document
    assert change.event.op is Operation.UPSERT
    assert document.document_id == "enwiki:0:Dora Maar"
    assert document.revision == 100
    assert document.updated_at == change.event.occurred_at
    assert document.text == "Dora Maar was edited: fix."
    assert document.url == "https://en.wikipedia.org/w/index.php?title=Dora_Maar&oldid=100"
    assert document.attributes == {
        "wiki": "enwiki", "namespace": 0, "change_kind": "edit", "bot": False, "minor": False,
        "user": "Ada", "comment": "fix",
    }  # fmt: skip
    assert change.page is not None
    assert (change.page.page_id, change.page.title) == (None, "Dora Maar")


def test_a_new_page() -> None:
    (change,) = changes_of(Normalizer(ENGLISH), recent_change("new", revision={"new": 100}))
    assert change.event.document.attributes["change_kind"] == "create"


def test_a_delete_takes_the_highest_revision_seen_on_that_wiki_also_of_what_was_dropped() -> None:
    normalizer = Normalizer(ENGLISH)
    assert normalizer.normalize(recent_change(bot=True, revision={"new": 500})) is DropReason.FILTERED
    assert normalizer.normalize(recent_change(namespace=3, revision={"new": 400})) is DropReason.FILTERED
    assert normalizer.normalize(recent_change(wiki="dewiki", revision={"new": 999})) is DropReason.FILTERED
    (change,) = changes_of(normalizer, log_entry("delete", "delete"))
    assert change.event.op is Operation.DELETE
    assert change.event.document.revision == 500
    (restored,) = changes_of(normalizer, log_entry("delete", "restore"))
    assert restored.event.op is Operation.UPSERT
    assert restored.event.document.revision == 500


@pytest.mark.parametrize("entry", [("delete", "restore"), ("move", "move")])
def test_a_log_entry_borrows_its_revision_and_does_not_link_to_it(entry: tuple[str, str]) -> None:
    normalizer = Normalizer(ENGLISH)
    normalizer.normalize(recent_change(title="Another page", revision={"new": 500}))
    change = changes_of(normalizer, log_entry(*entry, log_params={"target": "Dora Maar"}))[-1]
    assert change.event.document.url == "https://en.wikipedia.org/w/index.php?title=Dora_Maar"
    assert change.page is not None
    assert change.page.revision is None


def test_before_any_revision_was_seen_a_delete_cannot_be_ordered() -> None:
    normalizer = Normalizer(ENGLISH)
    normalizer.normalize(recent_change(wiki="dewiki"))
    with pytest.raises(InvalidEvent) as error:
        normalizer.normalize(log_entry("delete", "delete"))
    assert error.value.reason is InvalidReason.UNORDERABLE


def moved(target: str, **changed: Any) -> list[tuple[str, str]]:
    normalizer = Normalizer(ENGLISH)
    normalizer.normalize(recent_change())
    entry = log_entry("move", "move", log_params={"target": target, "noredir": "0"}, **changed)
    result = normalizer.normalize(entry)
    assert not isinstance(result, DropReason), result
    return [(change.event.op.value, change.event.document.document_id) for change in result]


def test_a_rename_deletes_the_old_id_and_writes_the_new_one() -> None:
    assert moved("Theodora Markovic") == [
        ("delete", "enwiki:0:Dora Maar"),
        ("upsert", "enwiki:0:Theodora Markovic"),
    ]


def test_a_rename_over_the_edge_of_the_wanted_namespaces() -> None:
    assert moved("Draft:Dora Maar") == [("delete", "enwiki:0:Dora Maar")]
    assert moved("Dora Maar", namespace=118, title="Draft:Dora Maar") == [("upsert", "enwiki:0:Dora Maar")]


@pytest.mark.parametrize("params", [[], "Theodora", None, {}, {"target": 3}, {"target": ""}])
def test_a_rename_that_does_not_say_where_to_is_invalid(params: Any) -> None:
    normalizer = Normalizer(ENGLISH)
    normalizer.normalize(recent_change())
    with pytest.raises(InvalidEvent):
        normalizer.normalize(log_entry("move", "move", log_params=params))


@pytest.mark.parametrize("params", [[], {}, "text", {"userid": 3}])
@pytest.mark.parametrize(
    "body",
    [
        log_entry("newusers", "create"),
        log_entry("delete", "revision"),
        log_entry("upload", "upload"),
        recent_change("log", log_type=None),
        recent_change("categorize"),
        recent_change("external"),
        recent_change("something new"),
    ],
)
def test_what_has_no_effect_on_a_document(body: dict[str, Any], params: Any) -> None:
    assert Normalizer(ENGLISH).normalize(body | {"log_params": params}) is DropReason.NO_EFFECT


def test_a_redacted_user_and_a_missing_comment_are_tolerated() -> None:
    (change,) = changes_of(Normalizer(ENGLISH), recent_change(user=None, comment=None))
    assert change.event.document.text == "Dora Maar was edited."
    assert "user" not in change.event.document.attributes


def test_an_edit_without_its_revision_is_invalid() -> None:
    with pytest.raises(InvalidEvent, match="revision"):
        Normalizer(ENGLISH).normalize(recent_change(revision=None))


@pytest.mark.parametrize(
    ("target", "old", "namespace", "expected"),
    [
        ("Berlin", "Bonn", 0, 0),
        ("Alien: Romulus", "Alien 5", 0, 0),
        ("Talk:Berlin", "Bonn", 0, 1),
        ("User talk:Ada", "User:Ada", 2, 3),
        ("Wikipedia:Village pump", "x", 0, 4),
        ("Benutzer:Ada", "Benutzer:Bob", 2, 2),
        ("Berlin", "Benutzer:Ada/Berlin", 2, 0),
        ("category:Rivers", "Rivers", 0, 14),
    ],
)
def test_the_namespace_of_a_new_title(target: str, old: str, namespace: int, expected: int) -> None:
    assert namespace_of_target(target, old, namespace) == expected
