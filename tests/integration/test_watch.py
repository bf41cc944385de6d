"""Standing questions over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.domain import truncate_to_milliseconds
from shared.errors import StoreUnavailable
from tests.support.api_process import KEY
from tests.support.processes import wait_until
from tests.support.served_answers import QUESTION, ServedAnswers, served_answers
from tests.unit.services.api.retrieval.support import a_document, put, remove

STUCK = 60.0


class Stream:
    """Reads events in a thread of its own."""

    def __init__(self, answers: ServedAnswers, stack: ExitStack, key: str = KEY, **body: Any) -> None:
        headers = {"X-API-Key": key}
        if (last := body.pop("last_event_id", None)) is not None:
            headers["Last-Event-ID"] = last
        client = stack.enter_context(httpx.Client(base_url=answers.base_url, trust_env=False, timeout=STUCK))
        content = {"question": QUESTION, **body}
        self.response = stack.enter_context(client.stream("POST", "/v1/watch", json=content, headers=headers))
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.ids: list[str] = []
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        if self.response.status_code == httpx.codes.OK:
            self._thread.start()

    def _read(self) -> None:
        name = ""
        try:
            for line in self.response.iter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    self.events.append((name, json.loads(value)))
                elif field == "id":
                    self.ids.append(value)
        except (httpx.HTTPError, httpx.StreamError):
            pass
        self.ended.set()

    def wait_for(self, *names: str) -> list[dict[str, Any]]:
        wait_until(lambda: self.names()[: len(names)] == list(names), STUCK, f"{names}, not {self.events}")
        return [data for _, data in self.events]

    def names(self) -> list[str]:
        return [name for name, _ in self.events]


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[ServedAnswers]:
    with served_answers(tmp_path) as answers:
        answers.wait_until_followed()
        answers.llm.follow(lambda: iter(["It has killed people."]))
        yield answers


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def tell(
    answers: ServedAnswers,
    toll: int,
    revision: int,
    document_id: str = "w:2",
    updated_at: datetime | None = None,
) -> None:
    text = f"The earthquake in Velmora has killed {toll} people."
    document = a_document(document_id, text, revision=revision, title="Velmora", updated_at=updated_at)
    put(answers.store, document)


def test_new_evidence_changes_and_removals_are_told(answers: ServedAnswers, stack: ExitStack) -> None:
    stream = Stream(answers, stack)
    [watching] = stream.wait_for("watching")
    assert watching == {"question": QUESTION, "left_out": None, "gap": False}
    tell(answers, 50, 1)
    put(answers.store, a_document("x", "Chess players met in Hjorra.", title="Chess"))
    first = stream.wait_for("watching", "evidence")[1]
    assert (first["document_id"], first["quote"]) == (
        "w:2",
        "The earthquake in Velmora has killed 50 people.",
    )
    assert first["quote"] in first["text"]
    tell(answers, 50, 2)  # says the same again
    tell(answers, 51, 3)
    second = stream.wait_for("watching", "evidence", "evidence")[2]
    assert (second["revision"], "51" in second["quote"]) == (3, True)
    remove(answers.store, "w:2", 4)
    assert stream.wait_for("watching", "evidence", "evidence", "withdrawn")[3] == {"document_id": "w:2"}


def test_a_document_that_no_longer_answers_is_withdrawn(answers: ServedAnswers, stack: ExitStack) -> None:
    stream = Stream(answers, stack)
    stream.wait_for("watching")
    tell(answers, 50, 1)
    stream.wait_for("watching", "evidence")
    put(answers.store, a_document("w:2", "Chess players met in Hjorra.", revision=2, title="Chess"))
    stream.wait_for("watching", "evidence", "withdrawn")


def test_filters_hold(answers: ServedAnswers, stack: ExitStack) -> None:
    stream = Stream(answers, stack, filters={"sources": ["wikimedia"]})
    stream.wait_for("watching")
    tell(answers, 50, 1)
    document = a_document(
        "w:3", "The earthquake in Velmora has killed 60 people.", title="Velmora", source="wikimedia"
    )
    put(answers.store, document)
    assert stream.wait_for("watching", "evidence")[1]["document_id"] == "w:3"


def test_who_comes_back_is_told_what_he_missed(answers: ServedAnswers, stack: ExitStack) -> None:
    first = Stream(answers, stack)
    first.wait_for("watching")
    tell(answers, 50, 1)
    first.wait_for("watching", "evidence")
    wait_until(lambda: len(first.ids) == 2, STUCK, "an id")
    first.response.close()
    tell(answers, 51, 1, "w:3")
    second = Stream(answers, stack, last_event_id=first.ids[-1])
    told = second.wait_for("watching", "evidence")
    assert (told[0]["gap"], told[1]["document_id"]) == (False, "w:3")
    tell(answers, 52, 1, "w:4")
    assert second.wait_for("watching", "evidence", "evidence")[2]["document_id"] == "w:4"


@pytest.mark.parametrize("position", ["of-another-store:1:1", "rubbish", ""])
def test_a_position_that_is_not_known_is_said_to_be_a_gap(
    answers: ServedAnswers, stack: ExitStack, position: str
) -> None:
    [watching] = Stream(answers, stack, last_event_id=position).wait_for("watching")
    assert watching["gap"]


def test_the_answer_is_told_whenever_it_is_another(answers: ServedAnswers, stack: ExitStack) -> None:
    stream = Stream(answers, stack, answer=True)
    before = stream.wait_for("watching", "answer")[1]
    assert "41" in before["answer"]
    tell(answers, 50, 9, "w:1")
    after = stream.wait_for("watching", "answer", "evidence", "answer")[3]
    assert "50" in after["answer"]
    assert after["citations"][0]["revision"] == 9
    tell(answers, 51, 10, "w:1")
    stream.wait_for("watching", "answer", "evidence", "answer", "evidence", "answer")


def test_words_about_time_are_left_out_of_all_but_the_answer(
    answers: ServedAnswers, stack: ExitStack
) -> None:
    question = "How many people has the earthquake in Velmora killed in the last hour?"
    stream = Stream(answers, stack, question=question, answer=True)
    watching, before = stream.wait_for("watching", "answer")
    assert (watching["question"], watching["left_out"]) == (question, "in the last hour")
    assert "41" in before["answer"]
    now = truncate_to_milliseconds(datetime.now(UTC))
    tell(answers, 50, 1, updated_at=now - timedelta(days=1))
    assert stream.wait_for("watching", "answer", "evidence")[2]["document_id"] == "w:2"
    tell(answers, 51, 9, "w:1", updated_at=now)
    after = stream.wait_for("watching", "answer", "evidence", "evidence", "answer")[4]
    assert "51" in after["answer"]
    windows = [told["window"] for told in (before, after)]
    assert [(window["until"], window["text"]) for window in windows] == [(None, "in the last hour")] * 2
    assert windows[0]["since"] < windows[1]["since"]


def test_standing_questions_are_bounded_for_each_key_and_end_with_their_client(
    answers: ServedAnswers, stack: ExitStack
) -> None:
    streams = [Stream(answers, stack) for _ in range(2)]
    refused = Stream(answers, stack)
    assert refused.response.status_code == httpx.codes.TOO_MANY_REQUESTS
    refused.response.read()
    assert "at most 2 standing questions for each API key" in refused.response.json()["detail"]
    streams[0].wait_for("watching")
    streams[0].response.close()

    def accepted() -> bool:
        stream = Stream(answers, stack)
        return stream.response.status_code == httpx.codes.OK

    wait_until(accepted, STUCK, "a place", 0.1)


def test_before_the_feed_was_read_once_there_is_nothing_to_watch(tmp_path: Path, stack: ExitStack) -> None:
    with served_answers(tmp_path, follows=False) as answers:
        assert Stream(answers, stack).response.status_code == httpx.codes.SERVICE_UNAVAILABLE


def test_a_wrong_question_is_refused(answers: ServedAnswers, stack: ExitStack) -> None:
    for body in (
        {"question": " "},
        {"question": "Which bridges were closed yesterday?"},
        {"filters": {"since": "soon"}},
        {"stream": True},
    ):
        stream = Stream(answers, stack, **body)
        assert stream.response.status_code == httpx.codes.UNPROCESSABLE_ENTITY


def test_without_a_store_everyone_is_told_to_come_back(
    answers: ServedAnswers, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream(answers, stack)
    stream.wait_for("watching")

    def away(_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(answers.store, "embeddings", away)
    tell(answers, 50, 1)
    told = stream.wait_for("watching", "ended")[1]
    assert "the store is away; connect again with Last-Event-ID" in told["reason"]
    assert stream.ended.wait(STUCK)
    monkeypatch.undo()
    again = Stream(answers, stack, last_event_id=stream.ids[-1])
    assert again.wait_for("watching", "evidence")[1]["document_id"] == "w:2"


def test_a_server_that_stops_ends_its_streams(tmp_path: Path, stack: ExitStack) -> None:
    with closing(ExitStack()) as server:
        answers = server.enter_context(served_answers(tmp_path))
        answers.wait_until_followed()
        stream = Stream(answers, stack)
        stream.wait_for("watching")
    assert stream.ended.wait(STUCK)
    assert stream.names() == ["watching", "ended"]
