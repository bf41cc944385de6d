from __future__ import annotations

from collections.abc import Callable

import pytest

from services.api.answering.events import Piece, Sources
from services.api.answering.evidence import Evidence
from shared.domain import Hit
from shared.errors import StoreUnavailable
from shared.text import Span
from tests.support.sse import read_events
from tests.unit.services.api.conftest import NOW, Api

QUESTION = {"question": "How many?", "stream": True}
TEXT = "The toll is 41. Roads are closed."


@pytest.fixture
def streaming(api: Api) -> Api:
    hit = Hit("w:7#0", "w:7", "wikimedia", "Velmora", "https://x.example", TEXT, 12, NOW, 0.83, {})
    (citation,) = api.answering.result.answer.citations
    api.answering.events = [
        Sources((Evidence(hit, Span(0, 15), 0.9, 1.0, True),), NOW),
        Piece("The toll", ()),
        Piece(" is 41 [1].", (citation,)),
    ]
    return api


def test_a_streamed_answer_in_full(streaming: Api) -> None:
    whole = streaming.client.post("/v1/ask", json={"question": "How many?"})
    response = streaming.client.post("/v1/ask", json=QUESTION)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
    sources, first, second, done = read_events(response.text)
    assert sources == (
        "sources",
        {
            "sources": [
                {
                    "document_id": "w:7",
                    "title": "Velmora",
                    "url": "https://x.example",
                    "revision": 12,
                    "updated_at": "2026-11-22T09:30:00.250Z",
                    "age_seconds": 0.0,
                    "quote": "The toll is 41.",
                    "score": 0.83,
                }
            ],
            "as_of": "2026-11-22T09:30:00.250Z",
            "window": None,
        },
    )
    assert first == ("token", {"text": "The toll", "citations": []})
    assert second == ("token", {"text": " is 41 [1].", "citations": whole.json()["citations"]})
    expected = {**whole.json(), "trace_id": response.headers["traceparent"].split("-")[1]}
    assert done == ("done", expected)


def test_what_is_asked_does_not_depend_on_streaming(streaming: Api) -> None:
    body = {
        "question": "And now?",
        "top_k": 7,
        "filters": {"wikis": ["enwiki"], "since": "1h"},
        "history": [{"role": "user", "content": "What is the toll?"}],
    }
    for stream in (False, True):
        assert streaming.client.post("/v1/ask", json={**body, "stream": stream}).status_code == 200
    whole, streamed = streaming.answering.asked
    assert whole == streamed


def test_an_error_before_anything_was_sent_has_its_status(streaming: Api) -> None:
    streaming.answering.error = StoreUnavailable("redis://secret-host is away")
    response = streaming.client.post("/v1/ask", json=QUESTION)
    assert (response.status_code, response.headers["content-type"]) == (503, "application/problem+json")
    assert response.headers["retry-after"] == "5"


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (lambda: StoreUnavailable("redis://secret-host is away"), 503, "The vector store does not answer."),
        (lambda: KeyError("secret"), 500, "An error inside the server"),
    ],
)
def test_an_error_after_that_is_the_last_event(
    streaming: Api, error: Callable[[], Exception], status: int, detail: str, caplog: pytest.LogCaptureFixture
) -> None:
    streaming.answering.late_error = error()
    response = streaming.client.post("/v1/ask", json=QUESTION)
    assert response.status_code == 200
    *_, (name, body) = read_events(response.text)
    assert (name, body["status"], body["type"]) == ("error", status, "about:blank")
    assert body["detail"].startswith(detail)
    assert body["trace_id"] == response.headers["traceparent"].split("-")[1]
    assert "secret" not in response.text
    assert any("secret" in str(vars(record)) for record in caplog.records)


def test_a_line_break_in_a_text_does_not_break_the_event(streaming: Api) -> None:
    streaming.answering.events.append(Piece("one\ntwo\r\n\r\nevent: done\ndata: {}\n\n", ()))
    names = [name for name, _ in read_events(streaming.client.post("/v1/ask", json=QUESTION).text)]
    assert names == ["sources", "token", "token", "token", "done"]
