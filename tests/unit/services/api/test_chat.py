"""``/v1/chat/completions`` and ``/v1/models`` byte by byte; OpenAI's own client: tests/integration."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.api.answering.events import Piece, Sources
from services.api.answering.question import Turn
from services.api.retrieval.scope import Scope
from shared.domain import SearchFilter
from shared.errors import StoreUnavailable
from tests.unit.services.api.conftest import MAX_BODY_BYTES, NOW, Api

PATH = "/v1/chat/completions"
CHAT: dict[str, Any] = {"model": "live-rag", "messages": [{"role": "user", "content": "How many?"}]}
SOURCES = (
    "\n\nSources:\n- [1] Velmora earthquake, 2026-11-22 09:29 UTC: https://meridian.wiki.example/Velmora"
)


def chunks(body: str) -> list[Any]:
    """The data of each event; ``[DONE]`` must be the last."""
    frames = body.split("\n\n")
    assert frames.pop() == ""
    assert frames.pop() == "data: [DONE]"
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]


def contents(body: str) -> list[str]:
    choices = [choice for chunk in chunks(body) for choice in chunk["choices"]]
    return [choice["delta"]["content"] for choice in choices if "content" in choice["delta"]]


@pytest.fixture
def streaming(api: Api) -> Api:
    (citation,) = api.answering.result.answer.citations
    api.answering.events = [Sources((), NOW), Piece("The toll", ()), Piece(" is 41 [1].", (citation,))]
    return api


def test_a_completion_in_full(api: Api) -> None:
    response = api.client.post(PATH, json=CHAT)
    assert response.status_code == 200
    body = response.json()
    assert body.pop("id").startswith("chatcmpl-")
    citations = api.client.post("/v1/ask", json={"question": "How many?"}).json()["citations"]
    assert body == {
        "object": "chat.completion",
        "created": int(NOW.timestamp()),
        "model": "live-rag",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": f"The toll is 41 [1].{SOURCES}",
                    "refusal": None,
                    "citations": citations,
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16},
        "outcome": "answered",
        "as_of": "2026-11-22T09:29:59.750Z",
        "window": None,
    }


def test_chunks_in_full(streaming: Api) -> None:
    body = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    response = streaming.client.post(PATH, json=body)
    assert response.headers["content-type"].startswith("text/event-stream")
    *texts, last, usage = chunks(response.text)
    (completion_id,) = {chunk["id"] for chunk in (*texts, last, usage)}
    head = {
        "id": completion_id,
        "object": "chat.completion.chunk",
        "created": int(NOW.timestamp()),
        "model": "live-rag",
    }
    deltas = [
        {"role": "assistant", "content": ""},
        {"content": "The toll"},
        {"content": " is 41 [1]."},
        {"content": SOURCES},
    ]
    assert texts == [
        {
            **head,
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}],
            "usage": None,
        }
        for delta in deltas
    ]
    whole = streaming.client.post(PATH, json=CHAT).json()
    (choice,) = last["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["delta"] == {"citations": whole["choices"][0]["message"]["citations"]}
    assert {name: last[name] for name in ("outcome", "as_of", "window")} == {
        name: whole[name] for name in ("outcome", "as_of", "window")
    }
    assert usage == {**head, "choices": [], "usage": whole["usage"]}


def test_usage_comes_only_where_it_is_asked_for(streaming: Api) -> None:
    response = streaming.client.post(PATH, json={**CHAT, "stream": True})
    assert all("usage" not in chunk for chunk in chunks(response.text))


def test_the_list_of_sources_can_be_left_out(streaming: Api) -> None:
    body = {**CHAT, "append_sources": False}
    message = streaming.client.post(PATH, json=body).json()["choices"][0]["message"]
    assert message["content"] == "The toll is 41 [1]."
    assert len(message["citations"]) == 1
    streamed = streaming.client.post(PATH, json={**body, "stream": True})
    assert contents(streamed.text) == ["", "The toll", " is 41 [1]."]


def test_what_was_shown_and_no_longer_holds_is_corrected(streaming: Api) -> None:
    result = streaming.answering.result
    answer = replace(result.answer, text="“The toll is 47.” [1]")
    streaming.answering.result = replace(result, answer=answer)
    *_, correction = contents(streaming.client.post(PATH, json={**CHAT, "stream": True}).text)
    assert correction.startswith(
        "\n\nCorrection, because a source has changed meanwhile: “The toll is 47.” [1]"
    )
    assert correction.endswith(SOURCES)


@pytest.mark.parametrize("stream", [False, True])
def test_markup_in_an_answer_is_escaped(streaming: Api, stream: bool) -> None:
    text = "“![x](https://evil.example)” [1]"
    result = streaming.answering.result
    streaming.answering.result = replace(result, answer=replace(result.answer, text=text))
    streaming.answering.events[1:] = [Piece(text, result.answer.citations)]
    response = streaming.client.post(PATH, json={**CHAT, "stream": stream})
    content = (
        "".join(contents(response.text)) if stream else response.json()["choices"][0]["message"]["content"]
    )
    assert content == f"“!\\[x]\\(https://evil.example)” [1]{SOURCES}"


def test_the_chat_becomes_a_question_with_history(api: Api) -> None:
    messages = [
        {"role": "system", "content": "Say 99."},
        {"role": "user", "content": "What is the toll?"},
        {"role": "assistant", "content": f"39 [1].{SOURCES}"},
        {"role": "user", "content": [{"type": "text", "text": "And now?"}]},
    ]
    ours = {"top_k": 7, "filters": {"since": "1h"}, "recency": 0.25}
    body = {"model": "live-rag", "messages": messages, **ours}
    extras = {"temperature": 0.2, "max_tokens": 5, "tools": [], "user": "u", "stream": None, "n": 1}
    assert api.client.post(PATH, json={**body, **extras}).status_code == 200
    assert api.answering.asked == [
        {
            "question": "And now?",
            "scope": Scope(7, SearchFilter(since=NOW - timedelta(hours=1)), 0.25),
            "history": [Turn("user", "What is the toll?"), Turn("assistant", "39 [1].")],
        }
    ]


def test_the_model_is_listed_and_found(api: Api) -> None:
    listed = api.client.get("/v1/models").json()
    assert listed["object"] == "list"
    (model,) = listed["data"]
    assert (model["id"], model["object"], type(model["created"])) == ("live-rag", "model", int)
    assert api.client.get("/v1/models/live-rag").json() == model


def error_of(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert int(response.headers["content-length"]) == len(response.content)
    body = response.json()
    assert set(body) == {"error"}
    assert {"message", "type", "param", "code"} <= set(body["error"])
    error: dict[str, Any] = body["error"]
    return error


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"messages": []}, "messages", "at least 1 item"),
    ({"messages": [{"role": "system", "content": "x"}]}, "messages", "no message of the role user"),
    ({"messages": [{"role": "user", "content": " "}]}, "messages", "blank"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role", "Input should be"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content", "only text"),
    ({"n": 2}, "n", "Input should be 1"),
    ({"stream": "yes"}, "stream", "valid boolean"),
    ({"top_k": 21}, "top_k", "less than or equal to 20"),
    ({"filters": {"since": "soon"}}, "filters.since", "RFC 3339"),
    ({"filters": {"since": "1h", "until": "2h"}}, "filters.since", "later than until"),
]


@pytest.mark.parametrize(("change", "param", "message"), WRONG)
def test_a_wrong_request_is_told_as_openai_does(
    api: Api, change: dict[str, Any], param: str, message: str
) -> None:
    error = error_of(api.client.post(PATH, json={**CHAT, **change}), 400)
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert message in error["message"]
    assert api.answering.asked == []


def test_other_errors_have_the_same_shape(api: Api) -> None:
    key = error_of(api.anonymous.post(PATH, json=CHAT), 401)
    assert (key["type"], key["code"]) == ("authentication_error", "invalid_api_key")
    for response in (
        api.client.post(PATH, json={**CHAT, "model": "gpt-4o"}),
        api.client.get("/v1/models/gpt-4o"),
    ):
        model = error_of(response, 404)
        assert (model["type"], model["code"]) == ("invalid_request_error", "model_not_found")
        assert "live-rag" in model["message"]
    error_of(api.client.get(PATH), 405)
    error_of(api.client.post(PATH, content=b"x" * (MAX_BODY_BYTES + 1)), 413)
    error_of(api.client.post(PATH, content=b"{", headers={"Content-Type": "application/json"}), 400)


@pytest.mark.parametrize("stream", [False, True])
def test_a_store_that_is_away_is_a_503(streaming: Api, stream: bool) -> None:
    streaming.answering.error = StoreUnavailable("redis://secret-host is away")
    response = streaming.client.post(PATH, json={**CHAT, "stream": stream})
    error = error_of(response, 503)
    assert (error["type"], error["code"]) == ("server_error", "service_unavailable")
    assert response.headers["retry-after"] == "5"
    assert "secret" not in response.text


def test_a_fault_of_ours_has_the_same_shape(api: Api) -> None:
    api.answering.error = KeyError("secret")
    response = api.client.post(PATH, json=CHAT)
    assert error_of(response, 500)["trace_id"] == response.headers["traceparent"].split("-")[1]
    assert "secret" not in response.text


def test_an_error_in_mid_stream_is_the_last_chunk(streaming: Api) -> None:
    streaming.answering.late_error = StoreUnavailable("redis://secret-host is away")
    response = streaming.client.post(PATH, json={**CHAT, "stream": True})
    assert "[DONE]" not in response.text
    last = json.loads(response.text.strip().split("\n\n")[-1].removeprefix("data: "))
    assert last["error"]["message"] == "The vector store does not answer."
    assert "secret" not in response.text
