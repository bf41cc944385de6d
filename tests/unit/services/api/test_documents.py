from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from shared.domain import Version, epoch_milliseconds
from shared.errors import BrokerUnavailable
from shared.events import Operation
from shared.messaging.memory_broker import MemoryProducer
from tests.unit.services.api.conftest import MAX_DOCUMENT_BYTES, NOW, TOPIC, Api

MINIMAL = {"document_id": "runbook:42", "title": "Pump 3", "text": "Pump 3 was restarted."}
NDJSON = {"Content-Type": "application/x-ndjson"}


def lines(*documents: dict[str, Any] | str) -> bytes:
    return "\n".join(item if isinstance(item, str) else json.dumps(item) for item in documents).encode()


def test_a_minimal_document_gets_its_defaults_and_reaches_kafka(api: Api) -> None:
    response = api.client.post("/v1/documents", json=MINIMAL)
    assert response.status_code == 202
    assert response.json() == {"accepted": 1}
    (event,) = api.events()
    document = event.document
    assert event.op is Operation.UPSERT
    assert event.occurred_at == NOW
    assert (document.document_id, document.title, document.text) == tuple(MINIMAL.values())
    assert (document.source, document.url, dict(document.attributes)) == ("api", "", {})
    assert document.version == Version(epoch_milliseconds(NOW), NOW)


def test_every_field_arrives(api: Api) -> None:
    pushed = {
        **MINIMAL,
        "url": "https://intranet.example/42",
        "source": "runbooks",
        "revision": 7,
        "updated_at": "2026-11-22T10:00:00.5+01:00",
        "attributes": {"wiki": "intern", "namespace": 0, "bot": False, "comment": "é 🌋", "size": -3},
    }
    assert api.client.post("/v1/documents", json=pushed).status_code == 202
    (event,) = api.events()
    document = event.document
    assert document.url == "https://intranet.example/42"
    assert document.source == "runbooks"
    assert document.version == Version(7, NOW.replace(minute=0, second=0, microsecond=500_000, hour=9))
    assert document.attributes == pushed["attributes"]


def test_the_record_carries_key_and_trace(api: Api) -> None:
    response = api.client.post("/v1/documents", json=MINIMAL)
    (record,) = api.broker.records(TOPIC)
    headers = dict(record.headers)
    assert record.key == b"runbook:42"
    assert headers["traceparent"].decode() == response.headers["traceparent"]
    assert headers["schema"] == b"document-event/1"


def test_ndjson_is_accepted_whole(api: Api) -> None:
    body = lines(MINIMAL, "", {**MINIMAL, "document_id": "b"}, "  ", {**MINIMAL, "document_id": "c"}, "")
    response = api.client.post("/v1/documents", content=body, headers=NDJSON)
    assert response.status_code == 202
    assert response.json() == {"accepted": 3}
    assert {event.document.document_id for event in api.events()} == {"runbook:42", "b", "c"}


def test_ndjson_with_crlf_and_a_charset(api: Api) -> None:
    body = lines(MINIMAL, {**MINIMAL, "document_id": "b"}).replace(b"\n", b"\r\n")
    response = api.client.post(
        "/v1/documents", content=body, headers={"Content-Type": "Application/X-NDJSON; charset=utf-8"}
    )
    assert response.json() == {"accepted": 2}


def test_the_later_line_of_one_document_is_the_newer_version(api: Api) -> None:
    body = lines(*({**MINIMAL, "text": f"Version {number}."} for number in range(3)))
    api.client.post("/v1/documents", content=body, headers=NDJSON)
    newest = max(api.events(), key=lambda event: event.document.version)
    assert len({event.document.version for event in api.events()}) == 3
    assert newest.document.text == "Version 2."


def test_one_wrong_line_refuses_all_and_says_which(api: Api) -> None:
    body = lines(
        MINIMAL,
        {**MINIMAL, "title": ""},
        "",
        "{not json",
        {"document_id": "d", "revision": -1},
        '{"document_id": "\\ud800", "title": "t", "text": "t"}',
    )
    response = api.client.post("/v1/documents", content=body, headers=NDJSON)
    assert response.status_code == 422
    errors = response.json()["errors"]
    assert [(error["line"], error["field"]) for error in errors] == [
        (2, "title"),
        (4, ""),
        (5, "title"),
        (5, "text"),
        (5, "revision"),
        (6, ""),
    ]
    assert "not valid JSON" in errors[1]["message"]
    assert response.json()["detail"].startswith("line 2, title: ")
    assert api.events() == []


def test_a_flood_of_errors_is_cut(api: Api) -> None:
    response = api.client.post("/v1/documents", content=b"{}\n" * 500, headers=NDJSON)
    assert response.status_code == 422
    assert len(response.json()["errors"]) == 100


def test_a_document_that_the_processor_would_refuse_is_refused_here(api: Api) -> None:
    just_fits = json.dumps(MINIMAL).encode().ljust(MAX_DOCUMENT_BYTES)
    too_large = just_fits + b" "
    json_type = {"Content-Type": "application/json"}
    assert api.client.post("/v1/documents", content=just_fits, headers=json_type).status_code == 202
    response = api.client.post("/v1/documents", content=too_large, headers=json_type)
    assert response.status_code == 422
    assert f"at most {MAX_DOCUMENT_BYTES}" in response.json()["detail"]
    body = json.dumps(MINIMAL).encode() + b"\n" + too_large
    response = api.client.post("/v1/documents", content=body, headers=NDJSON)
    assert [error["line"] for error in response.json()["errors"]] == [2]
    assert len(api.events()) == 1


def test_an_event_is_never_larger_than_the_limit_that_was_checked(api: Api) -> None:
    """Escapes may only shrink on the way; ids of the longest kind stand in the overhead."""
    worst = {
        "document_id": "🌋" * 512,
        "title": '\\"\b\t' * 200,
        "text": "\u0001\u007f\u2028é🌋" * 60,
        "attributes": {f"a{number}": False for number in range(64)},
    }
    body = json.dumps(worst, ensure_ascii=False).encode()
    response = api.client.post("/v1/documents", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 202
    (record,) = api.broker.records(TOPIC)
    assert record.key is not None
    assert record.value is not None
    assert len(record.key) + len(record.value) <= len(body) + 4096


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"document_id": ""}, "document_id", "blank"),
    ({"document_id": "x" * 513}, "document_id", "at most 512"),
    ({"document_id": "a\nb"}, "document_id", "control characters"),
    ({"document_id": 5}, "document_id", "string"),
    ({"title": " "}, "title", "blank"),
    ({"text": " \n"}, "text", "blank"),
    ({"url": "javascript:alert(1)"}, "url", "http"),
    ({"source": ""}, "source", "blank"),
    ({"revision": "7"}, "revision", "integer"),
    ({"revision": -1}, "revision", "greater than or equal"),
    ({"revision": 2**63}, "revision", "less than"),
    ({"revision": 1.5}, "revision", "integer"),
    ({"updated_at": "yesterday"}, "updated_at", "RFC 3339"),
    ({"updated_at": "2026-11-22T09:30:00"}, "updated_at", "RFC 3339"),
    ({"updated_at": 1795340000}, "updated_at", "datetime"),
    ({"updated_at": "2026-11-22T09:36:00Z"}, "updated_at", "future"),
    ({"updated_at": "9999-12-31T23:59:59-14:00"}, "updated_at", "RFC 3339"),
    ({"attributes": []}, "attributes", "object"),
    ({"attributes": {"a": 1.5}}, "attributes", "a must be"),
    ({"attributes": {"a": None}}, "attributes", "a must be"),
    ({"attributes": {"a": {"b": 1}}}, "attributes", "a must be"),
    ({"attributes": {"a": 2**63}}, "attributes", "64 bits"),
    ({"attributes": {"bot": 1}}, "attributes", "bot must be true or false"),
    ({"attributes": {"bot": "false"}}, "attributes", "bot must be true or false"),
    ({"attributes": {"wiki": 3}}, "attributes", "wiki must be a string"),
    ({"attributes": {"namespace": "0"}}, "attributes", "namespace must be an integer"),
    ({"attributes": {"namespace": True}}, "attributes", "namespace must be an integer"),
    ({"attributes": {str(number): 1 for number in range(65)}}, "attributes", "at most 64"),
    ({"body": "x"}, "body", "Extra inputs"),
]


@pytest.mark.parametrize(("change", "field", "message"), WRONG)
def test_a_wrong_field_is_named(api: Api, change: dict[str, Any], field: str, message: str) -> None:
    response = api.client.post("/v1/documents", json={**MINIMAL, **change})
    assert response.status_code == 422, response.text
    (error,) = response.json()["errors"]
    assert error["field"] == field
    assert message in error["message"]
    assert api.events() == []


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"", "application/json"),
        (b"[]", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"[" * 5000, "application/json"),
        (b"", "application/x-ndjson"),
        (b"\n\n \n", "application/x-ndjson"),
        (b"\xff\n", "application/x-ndjson"),
        (b"[" * 5000, "application/x-ndjson"),
    ],
)
def test_what_holds_no_document_is_a_422(api: Api, content: bytes, content_type: str) -> None:
    response = api.client.post("/v1/documents", content=content, headers={"Content-Type": content_type})
    assert response.status_code == 422
    assert response.json()["errors"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_content_type_is_a_415(api: Api, content_type: str) -> None:
    response = api.client.post(
        "/v1/documents", content=json.dumps(MINIMAL), headers={"Content-Type": content_type}
    )
    assert response.status_code == 415
    assert "application/x-ndjson" in response.json()["detail"]


@pytest.mark.parametrize("document_id", ["runbook:42", "a/b c/d", "ünï/🌋", "100%", "x?y#z", "."])
def test_a_document_is_read_under_any_id(api: Api, document_id: str) -> None:
    api.put(document_id)
    escaped = "".join(f"%{byte:02X}" for byte in document_id.encode())
    response = api.client.get(f"/v1/documents/{escaped}")
    assert response.json() == {
        "document_id": document_id,
        "source": "wikimedia",
        "title": f"About {document_id}",
        "text": "Two chunks. Of text.",
        "url": "https://meridian.wiki.example/",
        "revision": 3,
        "updated_at": "2026-11-22T09:30:00.250Z",
        "attributes": {"wiki": "meridianwiki", "namespace": 0, "bot": False},
        "chunks": 2,
        "indexed_at": "2026-11-22T09:30:00.250Z",
        "ingest_trace_id": "9c8efff798038103d269b633813fc60c",
    }


def test_an_unknown_document_is_a_404(api: Api) -> None:
    response = api.client.get("/v1/documents/none")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/v1/documents/", "/v1/documents/%0A", "/v1/documents/" + "x" * 513])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_impossible_id_is_a_422(api: Api, method: str, path: str) -> None:
    response = api.client.request(method, path)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"].endswith("document_id")
    assert api.events() == []


def test_a_delete_is_newer_than_what_is_stored(api: Api) -> None:
    document = api.put("a/b c", revision=12, updated_at=NOW + timedelta(hours=1))
    response = api.client.delete("/v1/documents/a%2Fb%20c")
    assert response.status_code == 202
    assert response.json() == {"accepted": 1}
    (event,) = api.events()
    assert event.op is Operation.DELETE
    assert event.document.document_id == "a/b c"
    assert event.document.revision == 12
    assert event.document.version > document.version
    assert event.document.source == "wikimedia"
    assert api.broker.records(TOPIC)[0].key == b"a/b c"


def test_a_delete_is_newer_than_a_push_that_is_not_stored_yet(api: Api) -> None:
    api.put("runbook:42", revision=1)
    api.client.post("/v1/documents", json={**MINIMAL, "revision": 9})
    api.client.delete("/v1/documents/runbook:42")
    pushed, deleted = api.events()
    assert deleted.op is Operation.DELETE
    assert deleted.document.version > pushed.document.version


def test_a_delete_can_name_its_revision(api: Api) -> None:
    assert api.client.delete("/v1/documents/x?revision=17").status_code == 202
    assert api.events()[0].document.version == Version(17, NOW)
    assert api.client.delete("/v1/documents/x?revision=-1").status_code == 422
    assert api.client.delete("/v1/documents/x?revision=x").status_code == 422


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_nothing_is_confirmed_while_the_broker_is_away(
    api: Api, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise BrokerUnavailable("10.0.0.7 refused")

    monkeypatch.setattr(MemoryProducer, "send", refuse)
    response = (
        api.client.post("/v1/documents", json=MINIMAL)
        if method == "POST"
        else api.client.delete("/v1/documents/x")
    )
    assert response.status_code == 503
    assert "broker" in response.json()["detail"]
    assert int(response.headers["retry-after"]) > 0
