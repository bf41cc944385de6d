"""Streams over real sockets: what comes when, and what becomes of the model when the client leaves."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import httpx
import pytest
from httpx_sse import connect_sse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.api.event_stream import FeedResponse
from services.api.work import ClientGone, Feed, IsGone
from shared.errors import StoreUnavailable
from tests.support.api_process import KEY
from tests.support.processes import wait_until
from tests.support.served_answers import (
    QUESTION,
    TEXT,
    ServedAnswers,
    read_until,
    served,
    served_answers,
)
from tests.support.sse import read_events

LONG = 60.0
ROUTES: list[tuple[str, dict[str, object]]] = [
    ("/v1/ask", {"question": QUESTION}),
    (
        "/v1/chat/completions",
        {"model": "live-rag", "messages": [{"role": "user", "content": QUESTION}]},
    ),
]


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[ServedAnswers]:
    with served_answers(tmp_path) as served:
        yield served


def test_sources_arrive_while_the_model_is_silent(answers: ServedAnswers) -> None:
    may_speak = threading.Event()

    def script() -> Iterator[str]:
        assert may_speak.wait(LONG)
        yield TEXT

    answers.llm.follow(script)
    headers = {"X-API-Key": KEY}
    with (
        httpx.Client(base_url=answers.base_url, headers=headers, timeout=LONG) as client,
        connect_sse(client, "POST", "/v1/ask", json={"question": QUESTION, "stream": True}) as stream,
    ):
        events = stream.iter_sse()
        sources = next(events)
        assert sources.event == "sources"
        assert [source["document_id"] for source in sources.json()["sources"]] == ["w:1"]
        assert not answers.llm.closed.is_set()
        may_speak.set()
        token, done = events
    assert (token.event, done.event) == ("token", "done")
    assert token.json()["text"] == done.json()["answer"] == f"{TEXT[:-1]} [1]."
    assert token.json()["citations"][0].keys() == done.json()["citations"][0].keys()


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(("path", "body"), ROUTES, ids=["ask", "chat"])
def test_a_client_that_leaves_stops_the_model(
    answers: ServedAnswers, path: str, body: dict[str, object], stream: bool
) -> None:
    """The model would talk for an hour, a word every hundredth of a second."""
    never = threading.Event()

    def script() -> Iterator[str]:
        for _ in range(360_000):
            never.wait(0.01)
            yield "word "

    answers.llm.follow(script)
    with answers.post(path, {**body, "stream": stream}) as connection:
        if stream:
            head = read_until(connection, b"data: ")
            assert head.startswith(b"HTTP/1.1 200 ")
        assert answers.llm.asked.wait(LONG)
        assert not answers.llm.closed.is_set()
    assert answers.llm.closed.wait(LONG), "the model still talks"
    wait_until(lambda: answers.outcomes("abandoned") == 1, LONG, "it is counted as abandoned")
    assert answers.outcomes("error") == 0


def test_a_client_that_stays_is_answered_after_others_left(answers: ServedAnswers) -> None:
    """Four threads: each one that an abandoned answer kept would be missing here."""
    never = threading.Event()

    def endless() -> Iterator[str]:
        while True:
            never.wait(0.01)
            yield "word "

    answers.llm.follow(endless)
    for stream in (True, False) * 4:
        answers.llm.asked.clear()
        with answers.post("/v1/ask", {"question": QUESTION, "stream": stream}):
            assert answers.llm.asked.wait(LONG)
    answers.llm.follow(lambda: iter([TEXT]))
    response = httpx.post(
        f"{answers.base_url}/v1/ask", json={"question": QUESTION}, headers={"X-API-Key": KEY}, timeout=LONG
    )
    assert response.json()["answer"] == f"{TEXT[:-1]} [1]."


def test_a_store_that_fails_in_mid_stream_is_an_error_event(
    answers: ServedAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_document_ids: list[str]) -> None:
        raise StoreUnavailable("away")

    def script() -> Iterator[str]:
        monkeypatch.setattr(answers.store, "get_many", fail)
        yield TEXT

    answers.llm.follow(script)
    response = httpx.post(
        f"{answers.base_url}/v1/ask",
        json={"question": QUESTION, "stream": True},
        headers={"X-API-Key": KEY},
        timeout=LONG,
    )
    assert response.status_code == 200
    (first, _), (last, problem) = read_events(response.text)
    assert (first, last, problem["status"]) == ("sources", "error", 503)
    assert answers.llm.closed.is_set()


def test_comments_keep_a_silent_connection_alive() -> None:
    goes_on, closed = threading.Event(), threading.Event()

    def produce(_is_gone: IsGone) -> Generator[bytes, None, None]:
        try:
            yield b"data: first\n\n"
            assert goes_on.wait(LONG)
            yield b"data: second\n\n"
        finally:
            closed.set()

    async def stream(request: Request) -> FeedResponse[bytes]:
        feed = Feed(produce)
        first = await feed.first(request.receive)
        return FeedResponse(first, feed, lambda item: iter([item]), lambda error: b"", 0.01)

    app = Starlette(routes=[Route("/", stream)])
    with served(app) as port, httpx.stream("GET", f"http://127.0.0.1:{port}/", timeout=LONG) as response:
        lines = response.iter_lines()
        assert [next(lines), next(lines)] == ["data: first", ""]
        assert [next(lines) for _ in range(4)] == [": ping", "", ": ping", ""]
        goes_on.set()
        assert [line for line in lines if line not in (": ping", "")] == ["data: second"]
    assert closed.wait(LONG)


def test_a_client_that_leaves_before_anything_was_sent_is_noticed_too() -> None:
    begun, closed, turn = threading.Event(), threading.Event(), threading.Event()

    def produce(is_gone: IsGone) -> Generator[bytes, None, None]:
        begun.set()
        while not is_gone():
            turn.wait(0.01)
        closed.set()
        yield b""

    async def stream(request: Request) -> FeedResponse[bytes]:
        feed = Feed(produce)
        first = await feed.first(request.receive)
        return FeedResponse(first, feed, lambda item: iter([item]), lambda error: b"")

    app = Starlette(routes=[Route("/", stream)], exception_handlers={ClientGone: _nobody_is_there})
    with served(app) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=LONG) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert begun.wait(LONG)
        assert closed.wait(LONG)


async def _nobody_is_there(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)
