"""Problem responses: authentication, sizes, routing, dependencies that are away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.errors import (
    BrokerUnavailable,
    LLMUnavailable,
    RetryableError,
    SourceUnavailable,
    StoreUnavailable,
)
from tests.unit.services.api.conftest import KEY, MAX_BODY_BYTES, Api

GUARDED = [
    ("POST", "/v1/ask"),
    ("POST", "/v1/search"),
    ("POST", "/v1/watch"),
    ("POST", "/v1/documents"),
    ("GET", "/v1/documents/x"),
    ("DELETE", "/v1/documents/x"),
    ("GET", "/v1/stats"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/x"),
    ("GET", "/v1/absent"),
    ("PUT", "/v1/ask"),
    ("GET", "/v1"),
    ("GET", "/v1/"),
    ("GET", "/%76%31/stats"),
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_nothing_under_v1_answers_without_a_key(api: Api, method: str, path: str) -> None:
    response = api.anonymous.request(method, path)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    openai = path.startswith(("/v1/chat/", "/v1/models"))
    expected = "application/json" if openai else "application/problem+json"
    assert response.headers["content-type"] == expected


def test_every_v1_route_is_in_the_list_above(api: Api) -> None:
    described = {
        (method.upper(), path.replace("{document_id}", "x").replace("{model}", "x"))
        for path, methods in api.client.get("/openapi.json").json()["paths"].items()
        for method in methods
        if path.startswith("/v1")
    }
    assert described
    assert described <= set(GUARDED)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": KEY},
        {"Authorization": "Bearer "},
        {"X-API-Key": "wrong"},
        {"X-API-Key": "# for tests"},
        {"X-API-Key": b"\xff\xfe"},
    ],
)
def test_a_wrong_key_gets_the_same_answer_as_none(api: Api, headers: dict[str, str]) -> None:
    missing = api.anonymous.get("/v1/stats")
    wrong = api.anonymous.get("/v1/stats", headers=headers)
    assert wrong.status_code == 401
    assert wrong.content == missing.content


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": f"Bearer {KEY}"}, {"authorization": f"bearer {KEY}"}, {"X-API-Key": KEY}],
)
def test_a_right_key_in_either_header_is_enough(api: Api, headers: dict[str, str]) -> None:
    assert api.anonymous.get("/v1/stats", headers=headers).status_code == 200


def test_a_new_key_works_and_the_old_one_does_not(api: Api) -> None:
    replacement = api.keys_file.with_name("next")
    replacement.write_text("the-next-key\n")
    replacement.chmod(0o600)
    replacement.replace(api.keys_file)
    assert api.client.get("/v1/stats").status_code == 401
    assert api.client.get("/v1/stats", headers={"Authorization": "Bearer the-next-key"}).status_code == 200


@pytest.mark.parametrize("path", ["/absent", "/v1/absent", "/v1/ask/", "/docs/../../etc/passwd"])
def test_an_unknown_path_is_a_problem(api: Api, path: str) -> None:
    response = api.client.get(path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Not Found",
    }


def test_a_wrong_method_names_the_right_one(api: Api) -> None:
    response = api.client.get("/v1/ask")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.json()["title"] == "Method Not Allowed"


@pytest.mark.parametrize(
    "body",
    [b'{"question":"\xff"}', b"[" * 8000, b'{"question":"x","top_k":' + b"1" * 5000 + b"}"],
    ids=["not UTF-8", "nested", "long number"],
)
def test_a_body_that_the_parser_chokes_on_is_a_wrong_body(api: Api, body: bytes) -> None:
    response = api.client.post("/v1/ask", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["errors"][0]["message"].startswith("not valid JSON")


def test_a_body_that_announces_too_much_is_refused(api: Api) -> None:
    response = api.client.post("/v1/ask", content=b"x" * (MAX_BODY_BYTES + 1))
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"
    assert f"{MAX_BODY_BYTES} bytes" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/v1/ask", "/v1/documents"])
def test_a_body_that_announces_nothing_is_counted(api: Api, path: str) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(9):
            yield b" " * 1024

    response = api.client.post(path, content=chunks(), headers={"Content-Type": "application/json"})
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"


def test_a_body_of_just_the_limit_is_read(api: Api) -> None:
    question = b'{"question":"What?"'
    body = question + b" " * (MAX_BODY_BYTES - len(question) - 1) + b"}"
    response = api.client.post("/v1/ask", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200


def test_without_a_key_not_even_a_large_body_is_looked_at(api: Api) -> None:
    assert api.anonymous.post("/v1/ask", content=b"x" * (MAX_BODY_BYTES + 1)).status_code == 401


@pytest.mark.parametrize(
    ("error", "retry_after"),
    [
        (StoreUnavailable("redis://10.0.0.7 refused"), "5"),
        (BrokerUnavailable("10.0.0.7:9092 refused"), "5"),
        (LLMUnavailable("10.0.0.7 refused"), "5"),
        (SourceUnavailable("10.0.0.7 refused", retry_after=1.2), "2"),
        (RetryableError("10.0.0.7 refused"), "5"),
    ],
)
def test_a_dependency_that_is_away_is_a_503_that_says_when_to_come_back(
    api: Api, error: Exception, retry_after: str
) -> None:
    api.answering.error = error
    response = api.client.post("/v1/ask", json={"question": "What?"})
    assert response.status_code == 503
    assert response.headers["retry-after"] == retry_after
    assert response.json()["title"] == "Service Unavailable"
    assert response.json()["trace_id"] == response.headers["traceparent"].split("-")[1]
    assert "10.0.0.7" not in response.text
