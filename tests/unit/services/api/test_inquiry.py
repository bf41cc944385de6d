"""What a request and its question say about time → what is searched."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.api.answering.question import Turn
from services.api.answering.time_window import TimeWindow
from services.api.error_handlers import InvalidRequest
from services.api.filters import Filters
from services.api.inquiry import Inquiry, StandingInquiry
from shared.domain import Outcome, SearchFilter
from shared.llm.extractive import ExtractiveLLM
from shared.vector_store.memory_store import MemoryStore
from tests.support.answering import answering
from tests.unit.services.api.conftest import NOW, Api
from tests.unit.services.api.retrieval.support import EMBEDDER, a_document, put

HOUR_AGO = NOW - timedelta(hours=1)


def read(question: str, filters: Filters | None = None, history: list[Turn] | None = None) -> Inquiry:
    return Inquiry.read(
        question,
        top_k=5,
        filters=filters or Filters(),
        now=NOW,
        time_zone="UTC",
        history=history or [],
    )


def test_the_time_in_the_question_becomes_the_filter() -> None:
    inquiry = read("What happened in Velmora in the last hour?", Filters(wikis=["enwiki"]))
    assert inquiry.question == "What happened in Velmora?"
    assert inquiry.scope.where == SearchFilter(wikis=frozenset({"enwiki"}), since=HOUR_AGO)
    assert inquiry.window == TimeWindow(HOUR_AGO, None, "in the last hour")


@pytest.mark.parametrize(
    ("filters", "since", "until"),
    [
        (Filters(since="2d"), NOW - timedelta(days=2), None),
        (Filters(until="2d"), None, NOW - timedelta(days=2)),
        (Filters(since="2d", until="1d"), NOW - timedelta(days=2), NOW - timedelta(days=1)),
    ],
)
def test_the_filters_of_the_request_win(
    filters: Filters, since: datetime | None, until: datetime | None
) -> None:
    inquiry = read("What happened in Velmora in the last hour?", filters)
    assert inquiry.question == "What happened in Velmora?"
    assert inquiry.scope.where == SearchFilter(since=since, until=until)
    assert inquiry.window == TimeWindow(since, until, None)


def test_without_time_there_is_no_window() -> None:
    inquiry = read("Who was president in March 1933?")
    assert (inquiry.question, inquiry.scope.where, inquiry.window) == (
        "Who was president in March 1933?",
        SearchFilter(),
        None,
    )


def test_filters_that_exclude_everything_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        read("What happened in the last hour?", Filters(since="1h", until="2h"))


def test_what_stands_is_without_time_but_for_that_of_the_filters() -> None:
    question, filters = "Which bridges were closed in the last hour?", Filters(wikis=["enwiki"])
    assert StandingInquiry.of(read(question, filters)) == StandingInquiry(
        "Which bridges were closed?", SearchFilter(wikis=frozenset({"enwiki"})), "in the last hour"
    )
    assert StandingInquiry.of(read(question, Filters(since="2d"))) == StandingInquiry(
        "Which bridges were closed?", SearchFilter(since=NOW - timedelta(days=2)), None
    )
    assert StandingInquiry.of(read("Which bridges are closed?")) == StandingInquiry(
        "Which bridges are closed?", SearchFilter(), None
    )


def test_what_is_over_cannot_stand() -> None:
    with pytest.raises(InvalidRequest) as refused:
        StandingInquiry.of(read("Which bridges were closed yesterday evening?"))
    [error] = refused.value.errors
    assert error["field"] == "question"
    assert "'yesterday evening', which is over" in error["message"]


def test_a_follow_up_keeps_the_time_of_its_question() -> None:
    history = [Turn("user", "What happened in Velmora in the last hour?"), Turn("assistant", "A quake.")]
    inquiry = read("And how many were hurt?", history=history)
    assert inquiry.question == "What happened in Velmora? And how many were hurt?"
    assert inquiry.scope.where == SearchFilter(since=HOUR_AGO)
    # It has a subject of its own, so it follows nothing.
    assert read("How many live in Tessaly?", history=history).scope.where == SearchFilter()
    own = read("And how many were hurt in the last 30 minutes?", history=history)
    assert own.scope.where == SearchFilter(since=NOW - timedelta(minutes=30))


def answer(question: str) -> tuple[Outcome, str, list[str]]:
    """Asked of a store with a new and an old page on the same subject."""
    store = MemoryStore(EMBEDDER.dimension)
    for name, toll, age in (("new", 47, timedelta(minutes=5)), ("old", 41, timedelta(hours=3))):
        text = f"The earthquake in Velmora has killed {toll} people."
        put(store, a_document(name, text, title="Velmora earthquake", updated_at=NOW - age))
    with answering(store, ExtractiveLLM()) as bench:
        result = read(question).ask(bench.service, lambda: False)
    return (
        result.answer.outcome,
        result.answer.text,
        sorted(citation.document_id for citation in result.answer.citations),
    )


def test_only_what_changed_in_the_window_is_evidence() -> None:
    question = "How many people has the earthquake in Velmora killed"
    outcome, text, cited = answer(f"{question} in the last hour?")
    assert (outcome, cited) == (Outcome.ANSWERED, ["new"])
    assert "47" in text
    outcome, text, cited = answer(f"{question} 3 hours ago according to the edits?")
    assert (outcome, cited) == (Outcome.ANSWERED, ["old"])
    assert "41" in text


def test_an_answer_without_evidence_names_the_window() -> None:
    question = "How many people has the earthquake in Velmora killed"
    assert answer(f"{question} in the last 2 minutes?") == (
        Outcome.NO_CONTEXT,
        "I do not know: nothing indexed that changed since 2026-11-22 09:28:00 UTC answers this question.",
        [],
    )
    assert answer(f"{question}, edited before yesterday?")[1] == (
        "I do not know: nothing indexed that changed by 2026-11-20 23:59:59 UTC answers this question."
    )
    assert answer(f"{question}, edited yesterday before noon?")[1] == (
        "I do not know: nothing indexed that changed between 2026-11-21 00:00:00 UTC and "
        "2026-11-21 11:59:59 UTC answers this question."
    )
    assert answer("How many people has the flood in Tessaly killed?")[1] == (
        "I do not know: nothing that is indexed answers this question."
    )


@pytest.mark.parametrize("path", ["/v1/ask", "/v1/search"])
def test_the_response_shows_the_window(api: Api, path: str) -> None:
    def window(**body: object) -> object:
        response = api.client.post(path, json={"question": "What changed before noon yesterday?", **body})
        assert response.status_code == 200
        return response.json()["window"]

    assert window() == {
        "since": "2026-11-21T00:00:00.000Z",
        "until": "2026-11-21T11:59:59.999Z",
        "text": "before noon yesterday",
    }
    assert window(filters={"since": "2h"}) == {
        "since": "2026-11-22T07:30:00.250Z",
        "until": None,
        "text": None,
    }
    assert window(question="What is a window?") is None
    asked = [(item["question"], item["scope"].where) for item in api.answering.asked]
    assert asked == [
        (
            "What changed?",
            SearchFilter(
                since=datetime(2026, 11, 21, tzinfo=UTC),
                until=datetime(2026, 11, 21, 11, 59, 59, 999_000, tzinfo=UTC),
            ),
        ),
        ("What changed?", SearchFilter(since=NOW - timedelta(hours=2))),
        ("What is a window?", SearchFilter()),
    ]


def test_now_is_the_clock_s_and_the_day_the_setting_s(api: Api) -> None:
    body = {"question": "What changed today?"}
    assert api.client.post("/v1/search", json=body).json()["window"]["since"] == "2026-11-22T00:00:00.000Z"
    api.clock.moment = NOW + timedelta(days=1)
    assert api.client.post("/v1/search", json=body).json()["window"]["since"] == "2026-11-23T00:00:00.000Z"
    in_tokyo = Inquiry.read(body["question"], top_k=5, filters=Filters(), now=NOW, time_zone="Asia/Tokyo")
    assert in_tokyo.scope.where == replace(SearchFilter(), since=datetime(2026, 11, 21, 15, tzinfo=UTC))
