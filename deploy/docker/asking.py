"""Ask the running stack over its published port, as a user would."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from deploy.docker.engine import StackFailed
from deploy.http_client import HttpClient, Unreachable
from deploy.question import demo_question

Say = Callable[[str], None]

_ANSWERS_WITHIN = 120.0
_STORY_WITHIN = 90.0
_INTERVAL = 0.5
_ANY_QUESTION = "What has just changed?"


def expects_stories(source: str, settings: Mapping[str, str]) -> bool:
    """Whether the demo's stories are what is replayed from the start, and none is filtered out."""
    filters = ("REPLAY_FILE", "REPLAY_HISTORY", "SOURCE_SINCE", "WIKIMEDIA_WIKIS")
    namespaces = settings.get("WIKIMEDIA_NAMESPACES") or "0"
    return (
        source == "replay"
        and not any(settings.get(name) for name in filters)
        and (namespaces == "*" or "0" in [part.strip() for part in namespaces.split(",")])
    )


def wait_for_question(api: HttpClient, *, stories: bool, say: Say) -> str:
    """A question to ask, once a search is answered: about what was indexed, if anything was.

    :raises StackFailed: no search is answered in time."""
    _until_search_answers(api)
    if stories:
        demo = demo_question()
        deadline = time.monotonic() + _STORY_WITHIN
        while time.monotonic() < deadline:
            hits = search(api, demo.text)
            if hits and hits[0]["title"] == demo.title:
                return demo.text
            time.sleep(_INTERVAL)
        say(f"  … the demo's page {demo.title!r} is not found yet; ./logs.sh processor shows what is done")
    hits = search(api, _ANY_QUESTION)
    return f"What is {hits[0]['title']}?" if hits else _ANY_QUESTION


def ask(api: HttpClient, question: str) -> dict[str, Any]:
    """:raises StackFailed: no answer."""
    try:
        response = api.post("/v1/ask", {"question": question})
    except Unreachable as error:
        raise StackFailed(f"the api does not answer a question: {error}") from None
    if response.status != 200:
        raise StackFailed(f"the api answers a question with status {response.status}: {response.text[:300]}")
    answer: dict[str, Any] = response.json()
    return answer


def search(api: HttpClient, question: str) -> list[dict[str, Any]]:
    """The first hit, if there is one. A search that fails has none."""
    try:
        response = api.post("/v1/search", {"question": question, "top_k": 1})
    except Unreachable:
        return []
    if response.status != 200:
        return []
    hits: list[dict[str, Any]] = response.json()["hits"]
    return hits


def _until_search_answers(api: HttpClient) -> None:
    deadline = time.monotonic() + _ANSWERS_WITHIN
    while True:
        try:
            response = api.post("/v1/search", {"question": _ANY_QUESTION, "top_k": 1})
            what = f"status {response.status}: {response.text[:200]}"
            if response.status == 200:
                return
        except Unreachable as error:
            what = str(error)
        if time.monotonic() > deadline:
            raise StackFailed(
                f"a search is not answered after {_ANSWERS_WITHIN:g} s ({what}); see ./logs.sh api"
            )
        time.sleep(_INTERVAL)
