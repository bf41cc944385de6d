from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.api.answering.question import Turn
from services.api.retrieval.scope import Scope
from shared.domain import Answer, Hit, Outcome, SearchFilter
from tests.unit.services.api.conftest import NOW, Api


def test_an_answer_in_full(api: Api) -> None:
    response = api.client.post("/v1/ask", json={"question": "  How many?  "})
    assert response.status_code == 200
    body = response.json()
    assert body.pop("trace_id") == response.headers["traceparent"].split("-")[1]
    assert body == {
        "answer": "The toll is 41 [1].",
        "outcome": "answered",
        "citations": [
            {
                "marker": 1,
                "document_id": "meridianwiki:7",
                "title": "Velmora earthquake",
                "url": "https://meridian.wiki.example/Velmora",
                "revision": 12,
                "updated_at": "2026-11-22T09:29:48.250Z",
                "age_seconds": 12.0,
                "quote": "The toll is 41.",
                "score": 0.83,
                "ingest_trace_id": "5b8efff798038103d269b633813fc60c",
            }
        ],
        "as_of": "2026-11-22T09:29:59.750Z",
        "freshness_seconds": 0.5,
        "window": None,
        "model": "extractive",
        "usage": {
            "input_tokens": 11,
            "output_tokens": 5,
            "passages_used": 2,
            "passages_shortened": 0,
            "passages_dropped": 1,
        },
        "timings_ms": {"embed": 1.5, "total": 9.25},
        "cached": False,
    }
    assert response.headers["cache-control"] == "no-store"
    assert api.answering.asked == [{"question": "How many?", "scope": Scope(5), "history": []}]


def test_an_answer_while_nothing_is_indexed(api: Api) -> None:
    result = api.answering.result
    api.answering.result = type(result)(
        Answer("I do not know.", Outcome.NO_CONTEXT, ()), None, "extractive", 0, 0, {}
    )
    body = api.client.post("/v1/ask", json={"question": "What?"}).json()
    assert body["outcome"] == "no_context"
    assert body["citations"] == []
    assert body["as_of"] is None
    assert body["freshness_seconds"] is None


def test_filters_and_history_arrive(api: Api) -> None:
    response = api.client.post(
        "/v1/ask",
        json={
            "question": "And now?",
            "top_k": 20,
            "recency": 0.25,
            "stream": False,
            "filters": {"wikis": ["enwiki"], "namespaces": [0], "exclude_bots": True, "since": "1h"},
            "history": [
                {"role": "user", "content": "What is the toll?"},
                {"role": "assistant", "content": "39."},
            ],
        },
    )
    assert response.status_code == 200
    assert api.answering.asked == [
        {
            "question": "And now?",
            "scope": Scope(
                20,
                SearchFilter(
                    wikis=frozenset({"enwiki"}),
                    namespaces=frozenset({0}),
                    exclude_bots=True,
                    since=NOW - timedelta(hours=1),
                ),
                recency=0.25,
            ),
            "history": [Turn("user", "What is the toll?"), Turn("assistant", "39.")],
        }
    ]


def test_hits_in_full(api: Api) -> None:
    api.put("meridianwiki:7")
    api.answering.hits = [
        Hit(
            chunk_id="meridianwiki:7#0",
            document_id="meridianwiki:7",
            source="wikimedia",
            title="Velmora earthquake",
            url="",
            text="The toll is 41.",
            revision=12,
            updated_at=NOW,
            score=0.5,
            attributes={"wiki": "meridianwiki", "bot": False, "namespace": 0},
        )
    ]
    response = api.client.post("/v1/search", json={"question": "toll", "top_k": 1})
    assert response.json() == {
        "hits": [
            {
                "document_id": "meridianwiki:7",
                "chunk_id": "meridianwiki:7#0",
                "title": "Velmora earthquake",
                "url": "",
                "text": "The toll is 41.",
                "revision": 12,
                "updated_at": "2026-11-22T09:30:00.250Z",
                "score": 0.5,
                "attributes": {"wiki": "meridianwiki", "bot": False, "namespace": 0},
                "ingest_trace_id": None,
            }
        ],
        "as_of": "2026-11-22T09:30:00.250Z",
        "window": None,
    }
    assert api.answering.asked == [{"question": "toll", "scope": Scope(1)}]


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({}, "question", "Field required"),
    ({"question": ""}, "question", "at least 1 character"),
    ({"question": " \n\t "}, "question", "must not be blank"),
    ({"question": "q", "recency": 1.5}, "recency", "less than or equal to 1"),
    ({"question": "x" * 2001}, "question", "at most 2000 characters"),
    ({"question": 5}, "question", "valid string"),
    ({"question": None}, "question", "valid string"),
    ({"question": "q", "top_k": 0}, "top_k", "greater than or equal to 1"),
    ({"question": "q", "top_k": 21}, "top_k", "less than or equal to 20"),
    ({"question": "q", "top_k": "5"}, "top_k", "valid integer"),
    ({"question": "q", "top_k": True}, "top_k", "valid integer"),
    ({"question": "q", "topk": 3}, "topk", "Extra inputs"),
    ({"question": "q", "filters": {"since": "soon"}}, "filters.since", "RFC 3339"),
    ({"question": "q", "filters": {"since": "1h", "until": "2h"}}, "filters.since", "later than until"),
    ({"question": "q", "filters": {"wiki": "enwiki"}}, "filters.wiki", "Extra inputs"),
    ({"question": "q", "filters": {"namespaces": ["0"]}}, "filters.namespaces.0", "valid integer"),
]


@pytest.mark.parametrize("path", ["/v1/ask", "/v1/search"])
@pytest.mark.parametrize(("body", "field", "message"), WRONG)
def test_a_wrong_body_is_told_field_by_field(
    api: Api, path: str, body: dict[str, Any], field: str, message: str
) -> None:
    response = api.client.post(path, json=body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == 422
    assert [error["field"] for error in problem["errors"]] == [field]
    assert message in problem["errors"][0]["message"]
    assert field in problem["detail"]
    assert api.answering.asked == []


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"question": "q", "stream": "yes"}, "stream", "valid boolean"),
        ({"question": "q", "history": [{"role": "system", "content": "x"}]}, "history.0.role", "'user'"),
        ({"question": "q", "history": [{"role": "user", "content": " "}]}, "history.0.content", "blank"),
        ({"question": "q", "history": [{"role": "user", "content": "x"}] * 21}, "history", "at most 20"),
    ],
)
def test_what_only_ask_takes_is_checked(api: Api, body: dict[str, Any], field: str, message: str) -> None:
    response = api.client.post("/v1/ask", json=body)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["field"] == field
    assert message in error["message"]


def test_search_takes_no_stream(api: Api) -> None:
    assert api.client.post("/v1/search", json={"question": "q", "stream": False}).status_code == 422


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"q"',
        b"null",
        b'{"question": "\\ud800"}',
        b'{"question": "q", "\\udfff": 1}',
        b'{"question": NaN}',
    ],
)
def test_what_is_no_valid_body_at_all_is_a_422(api: Api, content: bytes) -> None:
    response = api.client.post("/v1/ask", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 422, response.text
    assert response.json()["errors"]


@pytest.mark.parametrize("content", [b"\xff\xfe\xfd", b"[" * 8000])
def test_what_cannot_be_parsed_is_a_client_error(api: Api, content: bytes) -> None:
    response = api.client.post("/v1/ask", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"


def test_broken_json_is_not_blamed_on_a_field(api: Api) -> None:
    response = api.client.post("/v1/ask", content=b'{"a":', headers={"Content-Type": "application/json"})
    assert response.json()["errors"] == [{"field": "", "message": "not valid JSON: Expecting value"}]


def test_an_emoji_and_a_nul_are_only_text(api: Api) -> None:
    assert api.client.post("/v1/ask", json={"question": "🌋\0?"}).status_code == 200
    assert api.answering.asked[0]["question"] == "🌋\0?"
