from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import Document, from_epoch_milliseconds
from shared.errors import InvalidEvent, InvalidReason
from shared.events import DocumentEvent, Operation, decode_event, encode_event, format_time, parse_time

_TIMES = st.integers(0, 4_000_000_000_000).map(from_epoch_milliseconds)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def _event(**changes: Any) -> DocumentEvent:
    document = {
        "document_id": "meridianwiki:7",
        "source": "wikimedia",
        "title": "Velmora earthquake",
        "text": "It killed 47 people.",
        "url": "https://meridian.wiki.example/wiki/7",
        "revision": 12,
        "updated_at": datetime(2026, 11, 22, 9, 30, 0, 250_000, tzinfo=UTC),
        "attributes": {"wiki": "meridianwiki", "namespace": 0, "bot": False},
    }
    return DocumentEvent(
        Operation.UPSERT,
        "e1",
        datetime(2026, 11, 22, 9, 30, 1, tzinfo=UTC),
        Document(**{**document, **changes}),
    )


def _body(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode_event(_event()))
    for path, value in changes.items():
        target = body
        *parents, name = path.split("__")
        for parent in parents:
            target = target[parent]
        if value is ...:
            del target[name]
        else:
            target[name] = value
    return body


@given(
    document_id=_TEXT,
    title=_TEXT,
    text=_TEXT.filter(str.strip),
    revision=st.integers(0, 2**63 - 1),
    updated_at=_TIMES,
    attributes=st.dictionaries(
        _TEXT, st.one_of(st.booleans(), st.integers(-(2**53), 2**53), _TEXT), max_size=4
    ),
)
def test_an_event_survives_the_wire(**fields: Any) -> None:
    event = _event(**fields)
    assert decode_event(encode_event(event)) == event


def test_the_wire_format_is_the_documented_one() -> None:
    assert json.loads(encode_event(_event())) == {
        "schema": "document-event/1",
        "op": "upsert",
        "event_id": "e1",
        "occurred_at": "2026-11-22T09:30:01.000Z",
        "document": {
            "document_id": "meridianwiki:7",
            "source": "wikimedia",
            "title": "Velmora earthquake",
            "text": "It killed 47 people.",
            "url": "https://meridian.wiki.example/wiki/7",
            "revision": 12,
            "updated_at": "2026-11-22T09:30:00.250Z",
            "attributes": {"wiki": "meridianwiki", "namespace": 0, "bot": False},
        },
    }


def test_unknown_fields_and_minor_schemas_are_accepted() -> None:
    body = _body(schema="document-event/1.3", later="x", document__later={"y": 1})
    assert decode_event(json.dumps(body).encode()) == _event()


def test_a_delete_needs_only_identity_and_version() -> None:
    body = _body(op="delete", document__text=..., document__title=..., document__url=...)
    assert decode_event(json.dumps(body).encode()).op is Operation.DELETE


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, InvalidReason.MISSING_FIELD),
        (b"", InvalidReason.MALFORMED_JSON),
        (b"{", InvalidReason.MALFORMED_JSON),
        (b"[]", InvalidReason.MALFORMED_JSON),
        (b"[" * 100_000, InvalidReason.MALFORMED_JSON),
        (b'{"schema":"document-event/1","op":"\xff"}', InvalidReason.INVALID_UTF8),
        (b"{}", InvalidReason.UNKNOWN_SCHEMA),
    ],
)
def test_bytes_that_are_no_event(value: bytes | None, reason: InvalidReason) -> None:
    with pytest.raises(InvalidEvent) as caught:
        decode_event(value)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": "document-event/2"}, InvalidReason.UNKNOWN_SCHEMA),
        ({"schema": 1}, InvalidReason.UNKNOWN_SCHEMA),
        ({"op": "merge"}, InvalidReason.INVALID_FIELD),
        ({"op": ...}, InvalidReason.MISSING_FIELD),
        ({"event_id": ...}, InvalidReason.MISSING_FIELD),
        ({"document": ...}, InvalidReason.MISSING_FIELD),
        ({"document": []}, InvalidReason.INVALID_FIELD),
        ({"document__document_id": ""}, InvalidReason.MISSING_FIELD),
        ({"document__title": ...}, InvalidReason.MISSING_FIELD),
        ({"document__title": 5}, InvalidReason.INVALID_FIELD),
        ({"document__title": "\ud800"}, InvalidReason.INVALID_FIELD),
        ({"document__text": "  \n"}, InvalidReason.EMPTY_TEXT),
        ({"document__text": ...}, InvalidReason.EMPTY_TEXT),
        ({"document__revision": True}, InvalidReason.INVALID_FIELD),
        ({"document__revision": -1}, InvalidReason.INVALID_FIELD),
        ({"document__revision": 2**63}, InvalidReason.INVALID_FIELD),
        ({"document__updated_at": "yesterday"}, InvalidReason.INVALID_FIELD),
        ({"document__updated_at": "2026-11-22T09:30:00"}, InvalidReason.INVALID_FIELD),
        ({"document__attributes": {"tags": ["a"]}}, InvalidReason.INVALID_FIELD),
        ({"document__attributes": "x"}, InvalidReason.INVALID_FIELD),
        ({"document__attributes": {"user": "\ud800"}}, InvalidReason.INVALID_FIELD),
        ({"document__attributes": {"\ud800": "Ada"}}, InvalidReason.INVALID_FIELD),
        ({"document__attributes": {"\ud800": 1}}, InvalidReason.INVALID_FIELD),
        ({"document__attributes": {"size": 2**63}}, InvalidReason.INVALID_FIELD),
    ],
)
def test_events_with_a_wrong_field(changes: dict[str, Any], reason: InvalidReason) -> None:
    with pytest.raises(InvalidEvent) as caught:
        decode_event(json.dumps(_body(**changes)).encode())
    assert caught.value.reason is reason


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_invalid(value: bytes) -> None:
    with pytest.raises(InvalidEvent):
        decode_event(value)


@given(_TIMES)
def test_times_survive_formatting(moment: datetime) -> None:
    assert parse_time(format_time(moment)) == moment
