"""Real events through the normaliser, and what it does with everything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.producer.changes import Change, DropReason, Rules
from services.producer.normalizer import MAX_EVENT_BYTES, Normalizer, event_id_of, event_time_of, parse_event
from shared.errors import InvalidEvent, InvalidReason
from shared.events import Operation, decode_event, encode_event

ALL = Rules(include_bots=True)
SHARED_DATA = Path(__file__).resolve().parents[5] / "shared" / "data" / "wikimedia_examples.jsonl"


@pytest.fixture(scope="module")
def examples() -> list[dict[str, Any]]:
    if not SHARED_DATA.is_file():
        pytest.skip("../shared/data is absent")
    return [json.loads(line) for line in SHARED_DATA.read_text(encoding="utf-8").splitlines()]


def normalize(body: dict[str, Any], rules: Rules = ALL) -> tuple[Change, ...] | DropReason:
    return Normalizer(rules).normalize(parse_event(json.dumps(body).encode()))


def test_every_real_event_becomes_what_its_kind_says(examples: list[dict[str, Any]]) -> None:
    normalizer = Normalizer(ALL)
    seen = []
    for example in examples:
        result = normalizer.normalize(parse_event(json.dumps(example["data"]).encode()))
        kind = example["kind"]
        if isinstance(result, DropReason):
            seen.append((example["stream"].rpartition(".")[0] or example["stream"], kind, result.value))
            continue
        (change,) = result
        document = change.event.document
        decoded = decode_event(encode_event(change.event))
        assert decoded == change.event, "what is sent can be read back"
        assert change.event.event_id == example["data"]["meta"]["id"]
        assert (change.page is None) == (change.event.op is Operation.DELETE)
        assert "_" not in document.title or kind == "log"
        assert document.url.startswith("https://")
        assert document.url.endswith(f"oldid={document.revision}") == (kind != "log")
        seen.append((example["stream"].rpartition(".")[0] or example["stream"], kind, change.event.op.value))
    expected = {
        ("mediawiki", "edit", "upsert"),
        ("mediawiki", "log", "delete"),
        ("mediawiki", "log", "no_effect"),
        ("mediawiki", "canary", "canary"),
        ("mediawiki.page_change", "create", "upsert"),
        ("mediawiki.page_change", "edit", "upsert"),
        ("mediawiki.page_change", "move", "upsert"),
        ("mediawiki.page_change", "delete", "delete"),
        ("mediawiki.page_change", "undelete", "upsert"),
        ("mediawiki.page_change", "visibility_change", "upsert"),
        ("mediawiki.page_change", "canary", "canary"),
    }
    assert set(seen) == expected


def test_the_real_life_of_a_page_is_in_order(examples: list[dict[str, Any]]) -> None:
    """create, delete, suppressed delete, undelete, visibility: four of them share one revision id."""
    normalizer = Normalizer(ALL)
    events = [
        change.event
        for example in examples
        if example["data"].get("page", {}).get("page_id") == 330275
        for change in normalizer.normalize(parse_event(json.dumps(example["data"]).encode()))
        if isinstance(change, Change)
    ]
    versions = [event.document.version for event in events]
    assert len(events) == 5
    assert versions == sorted(set(versions))
    assert {event.document.document_id for event in events} == {"testwikidatawiki:330275"}


def test_what_was_suppressed_is_not_shown(examples: list[dict[str, Any]]) -> None:
    for example in examples:
        revision = example["data"].get("revision", {})
        if revision.get("is_comment_visible") is not False:
            continue
        (change,) = normalize(example["data"])
        assert isinstance(change, Change)
        assert "comment" not in change.event.document.attributes
        assert "DCausse" not in change.event.document.text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", InvalidReason.MALFORMED_JSON),
        (b"{", InvalidReason.MALFORMED_JSON),
        (b"[]", InvalidReason.MALFORMED_JSON),
        (b"null", InvalidReason.MALFORMED_JSON),
        (b"[" * 200_000, InvalidReason.MALFORMED_JSON),
        (b'{"n": ' + b"9" * 5_000 + b"}", InvalidReason.MALFORMED_JSON),
        (b'{"title": "\xff"}', InvalidReason.INVALID_UTF8),
        (b'{"title": "' + b"x" * MAX_EVENT_BYTES + b'"}', InvalidReason.TOO_LARGE),
    ],
)
def test_bytes_that_are_no_event(data: bytes, reason: InvalidReason) -> None:
    with pytest.raises(InvalidEvent) as error:
        parse_event(data)
    assert error.value.reason is reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, InvalidReason.MISSING_FIELD),
        ({"$schema": "/mediawiki/page/change/2.0.0"}, InvalidReason.UNKNOWN_SCHEMA),
        ({"$schema": "/mediawiki/revision/create/1.0.0"}, InvalidReason.UNKNOWN_SCHEMA),
        ({"$schema": 7}, InvalidReason.INVALID_FIELD),
        ({"$schema": "/mediawiki/page/change/1.2.0"}, InvalidReason.MISSING_FIELD),
        ({"$schema": "/mediawiki/recentchange/1.0.0"}, InvalidReason.MISSING_FIELD),
    ],
)
def test_objects_that_are_no_event(body: dict[str, Any], reason: InvalidReason) -> None:
    with pytest.raises(InvalidEvent) as error:
        normalize(body)
    assert error.value.reason is reason


def test_a_canary_is_dropped_whatever_else_it_says() -> None:
    assert normalize({"meta": {"domain": "canary"}}) is DropReason.CANARY
    assert normalize({"wiki_id": "examplewiki"}) is DropReason.CANARY
    assert normalize({"database": "examplewiki", "$schema": 1}) is DropReason.CANARY


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=8,
)

_TIMES = st.sampled_from(
    ["2026-11-22T09:30:00Z", "2026-11-22", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "x"]
)


def _either(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return good | json_values


page_changes = st.fixed_dictionaries(
    {"$schema": st.just("/mediawiki/page/change/1.2.0")},
    optional={
        "meta": _either(
            st.fixed_dictionaries(
                {"id": _either(st.just("id")), "dt": _either(_TIMES)}, optional={"domain": json_values}
            )
        ),
        "dt": _either(_TIMES),
        "wiki_id": _either(st.just("enwiki")),
        "page_change_kind": _either(
            st.sampled_from(["create", "edit", "move", "delete", "visibility_change"])
        ),
        "page": _either(
            st.fixed_dictionaries(
                {
                    "page_id": _either(st.integers(1, 9)),
                    "page_title": _either(st.text(st.characters(), min_size=1)),
                    "namespace_id": _either(st.integers(-2, 20)),
                },
                optional={"is_redirect": json_values},
            )
        ),
        "revision": _either(
            st.fixed_dictionaries(
                {"rev_id": _either(st.integers(1, 2**63))},
                optional={"comment": json_values, "editor": json_values, "is_content_visible": json_values},
            )
        ),
        "performer": json_values,
        "comment": json_values,
        "prior_state": json_values,
    },
)

recent_changes = st.fixed_dictionaries(
    {"$schema": st.just("/mediawiki/recentchange/1.0.0")},
    optional={
        "meta": _either(
            st.fixed_dictionaries({"id": _either(st.just("id")), "dt": _either(_TIMES)})
        ),
        "type": _either(st.sampled_from(["edit", "new", "log", "categorize", "external"])),
        "log_type": _either(st.sampled_from(["delete", "move", "upload"])),
        "log_action": _either(st.sampled_from(["delete", "restore", "move"])),
        "log_params": _either(st.fixed_dictionaries({"target": _either(st.text(st.characters()))})),
        "namespace": _either(st.integers(-2, 20)),
        "title": _either(st.text(st.characters(), min_size=1)),
        "wiki": _either(st.just("enwiki")),
        "server_url": _either(st.sampled_from(["https://en.wikipedia.org", "http://[", ""])),
        "revision": _either(st.fixed_dictionaries({"new": _either(st.integers(1, 2**63))})),
        "user": json_values,
        "comment": json_values,
        "bot": json_values,
    },
)  # fmt: skip


@given(json_values | page_changes | recent_changes)
def test_no_json_raises_anything_but_invalid_event(value: Any) -> None:
    try:
        body = parse_event(json.dumps(value).encode())
        event_id_of(body)
        event_time_of(body)
        result = Normalizer(ALL).normalize(body)
    except InvalidEvent:
        return
    if isinstance(result, tuple):
        for change in result:
            assert decode_event(encode_event(change.event)) == change.event
