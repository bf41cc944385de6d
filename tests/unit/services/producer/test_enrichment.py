"""Text and version of a page: fetched, adopted, or done without."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from services.producer.changes import Change, Page
from services.producer.enrichment.adopt import adopt, cut_at_sentence
from services.producer.enrichment.enricher import Abandoned, Enricher, EnrichPolicy
from services.producer.enrichment.extract import (
    MAX_RESPONSE_BYTES,
    ExtractClient,
    ExtractRefused,
    PageText,
    wikimedia_api,
)
from services.producer.enrichment.rate_limit import RateLimiter
from shared.domain import Document
from shared.errors import SourceUnavailable
from shared.events import DocumentEvent, Operation
from shared.observability.metrics import ProducerMetrics

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
EARLIER = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
PAGE = Page(
    "en.wikipedia.org", "Dora Maar", "https://en.wikipedia.org/w/index.php?title=Dora_Maar&oldid=", 100, 7
)
CHANGE = Change(
    DocumentEvent(
        Operation.UPSERT,
        "event-1",
        NOW,
        Document(
            "enwiki:7", "wikimedia", "Dora Maar", "Dora Maar was edited: fix.",
            PAGE.permalink + "100", 100, NOW,
            {"wiki": "enwiki", "namespace": 0, "change_kind": "edit", "user": "Ada", "comment": "fix",
             "minor": True, "bot": False},
        ),
    ),
    PAGE,
)  # fmt: skip


def answer(**page: Any) -> dict[str, Any]:
    body = {
        "pageid": 7, "ns": 0, "title": "Dora Maar", "extract": "A photographer.", "lastrevid": 100,
        "revisions": [{"revid": 100, "parentid": 99, "timestamp": "2026-11-22T09:29:59Z"}],
    }  # fmt: skip
    return {"batchcomplete": True, "query": {"pages": [body | page]}}


class Api:
    """An extract call that gives scripted answers, the last one for ever."""

    def __init__(self, *answers: httpx.Response | dict[str, Any] | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.client = ExtractClient(
            httpx.Client(transport=httpx.MockTransport(self._respond)), wikimedia_api, lambda: NOW, 5
        )

    def _respond(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)


class Bench:
    def __init__(self, *answers: httpx.Response | dict[str, Any] | Exception, attempts: int = 3) -> None:
        self.api = Api(*answers)
        self.waits: list[float] = []
        self.now = 0.0
        self.metrics = ProducerMetrics(CollectorRegistry())
        self.enricher = Enricher(
            self.api.client,
            RateLimiter(None, lambda: self.now),
            EnrichPolicy(max_chars=1_000, attempts=attempts),
            self.metrics,
            self._wait,
            random.Random(1),
        )

    def _wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += seconds
        return False

    @property
    def failures(self) -> float:
        value: float = self.metrics.enrich_failures._value.get()
        return value


def test_the_request_is_mediawikis_extract_call() -> None:
    api = Api(answer())
    assert api.client.fetch(PAGE) == PageText(
        "Dora Maar", 0, "A photographer.", 100, datetime(2026, 11, 22, 9, 29, 59, tzinfo=UTC), False
    )
    (request,) = api.requests
    assert str(request.url.copy_with(query=None)) == "https://en.wikipedia.org/w/api.php"
    assert dict(request.url.params) == {
        "action": "query", "prop": "extracts|info|revisions", "rvprop": "ids|timestamp", "explaintext": "1",
        "exsectionformat": "plain", "format": "json", "formatversion": "2", "maxlag": "5", "pageids": "7",
    }  # fmt: skip


def test_a_page_without_an_id_is_asked_for_by_title() -> None:
    api = Api(answer())
    api.client.fetch(replace(PAGE, page_id=None))
    assert api.requests[0].url.params["titles"] == "Dora Maar"
    assert "pageids" not in api.requests[0].url.params


@pytest.mark.parametrize(
    "domain",
    ["", "127.0.0.1", "localhost", "en.wikipedia.org.evil.example", "evilwikipedia.org", "wikipedia.org",
     "en.wikipedia.org@evil.example", "en.wikipedia.org/x", "en.wikipedia.org:8080", "169.254.169.254",
     "[::1]", "en.wikipedia.org\n"],
)  # fmt: skip
def test_nothing_is_fetched_from_other_hosts(domain: str) -> None:
    api = Api(answer())
    with pytest.raises(ExtractRefused, match="not a Wikimedia domain"):
        api.client.fetch(replace(PAGE, domain=domain))
    assert api.requests == []


@pytest.mark.parametrize(
    "domain",
    [
        "en.wikipedia.org",
        "www.wikidata.org",
        "be-tarask.wikipedia.org",
        "test.wikidata.org",
        "commons.wikimedia.org",
        "www.mediawiki.org",
    ],
)
def test_wikimedias_own_hosts(domain: str) -> None:
    assert wikimedia_api(replace(PAGE, domain=domain)) == f"https://{domain}/w/api.php"


@pytest.mark.parametrize(
    "refusal",
    [
        httpx.Response(302, headers={"Location": "http://169.254.169.254/"}),
        httpx.Response(403),
        httpx.Response(404),
        httpx.Response(200, content=b'{"a":"' + b"x" * MAX_RESPONSE_BYTES + b'"}'),
        {"error": {"code": "badvalue"}},
        {"query": {}},
        {"query": {"pages": []}},
        {"query": {"pages": [{"title": "x"}]}},
        answer(revisions=[]),
        [],
    ],
)
def test_what_cannot_be_used_is_not_asked_for_again(refusal: Any) -> None:
    bench = Bench(httpx.Response(200, json=refusal) if isinstance(refusal, list) else refusal)
    assert bench.enricher.enrich(CHANGE) == CHANGE.event
    assert len(bench.api.requests) == 1
    assert bench.failures == 1


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(500), httpx.Response(503), httpx.Response(429), httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"), {"error": {"code": "maxlag"}}, {"error": {"code": "ratelimited"}},
        httpx.Response(200, content=b"<html>"), answer(lastrevid=99),
    ],
)  # fmt: skip
def test_passing_trouble_is_tried_again(trouble: Any) -> None:
    bench = Bench(trouble, answer())
    event = bench.enricher.enrich(CHANGE)
    assert event is not None
    assert event.document.text == "A photographer."
    assert len(bench.api.requests) == 2
    assert bench.failures == 0


def test_after_the_last_attempt_the_event_goes_with_title_and_comment() -> None:
    bench = Bench(httpx.Response(503), attempts=4)
    assert bench.enricher.enrich(CHANGE) == CHANGE.event
    assert len(bench.api.requests) == 4
    assert bench.failures == 1


def test_while_the_api_is_away_each_event_gets_one_attempt_until_it_is_back() -> None:
    down = [httpx.Response(503)] * 5
    bench = Bench(*down, answer(), httpx.Response(503), answer(), attempts=4)
    bench.enricher.enrich(CHANGE)
    bench.enricher.enrich(CHANGE)
    assert len(bench.api.requests) == 5
    for _ in range(2):
        event = bench.enricher.enrich(CHANGE)
        assert event is not None
        assert event.document.text == "A photographer."


def test_retry_after_holds_every_worker() -> None:
    bench = Bench(httpx.Response(429, headers={"Retry-After": "20"}), answer())
    bench.enricher.enrich(CHANGE)
    assert sum(bench.waits) >= 20.0


def test_a_stop_ends_the_waiting() -> None:
    stop = threading.Event()
    stop.set()
    enricher = Enricher(
        Api(httpx.Response(503)).client,
        RateLimiter(None, lambda: 0.0),
        EnrichPolicy(1_000),
        ProducerMetrics(CollectorRegistry()),
        stop.wait,
        random.Random(1),
    )
    with pytest.raises(Abandoned):
        enricher.enrich(CHANGE)


def test_a_missing_page_is_dropped() -> None:
    missing = {"query": {"pages": [{"pageid": 7, "missing": True}]}}
    assert Bench(missing).enricher.enrich(CHANGE) is None


def test_a_page_that_has_become_a_redirect_is_dropped() -> None:
    assert Bench(answer(lastrevid=101, redirect=True, extract="")).enricher.enrich(CHANGE) is None


def test_a_page_that_has_moved_to_another_namespace_is_left_to_its_move_event() -> None:
    # The move's revision, adopted now, would have the version of the move event and make it a duplicate.
    moved = answer(lastrevid=101, ns=118, title="Draft:Dora Maar")
    assert Bench(moved).enricher.enrich(CHANGE) is None


@pytest.mark.parametrize("kind", ["create", "undelete", "move"])
def test_a_page_that_the_api_does_not_know_yet_is_asked_for_again(kind: str) -> None:
    missing = {"query": {"pages": [{"pageid": 7, "missing": True}]}}
    document = CHANGE.event.document
    attributes = {**document.attributes, "change_kind": kind}
    change = Change(replace(CHANGE.event, document=replace(document, attributes=attributes)), PAGE)
    event = Bench(missing, answer()).enricher.enrich(change)
    assert event is not None
    assert event.document.text == "A photographer."
    assert Bench(missing).enricher.enrich(change) == change.event, (
        "its delete event is behind it in the stream"
    )


def test_a_title_too_long_for_an_address_does_not_stop_the_stream() -> None:
    page = replace(PAGE, page_id=None, title="x" * 70_000)
    bench = Bench(answer())
    assert bench.enricher.enrich(replace(CHANGE, page=page)) == CHANGE.event
    assert bench.failures == 1


def test_a_restored_page_has_an_older_revision_than_the_one_that_its_log_entry_borrowed() -> None:
    page = replace(PAGE, page_id=None, revision=None)
    event = Bench(answer(lastrevid=42)).enricher.enrich(Change(CHANGE.event, page))
    assert event is not None
    assert event.document.text == "A photographer."
    assert event.document.version == CHANGE.event.document.version
    assert event.document.url == f"{PAGE.permalink}42"


def test_an_edit_that_makes_a_page_a_redirect_removes_it() -> None:
    # recentchange does not say that a page is a redirect.
    page = replace(PAGE, page_id=None)
    event = Bench(answer(redirect=True, extract="")).enricher.enrich(Change(CHANGE.event, page))
    assert event is not None
    assert (event.op, event.document.text) == (Operation.DELETE, "")
    assert event.document.version == CHANGE.event.document.version


def test_a_delete_is_not_enriched() -> None:
    bench = Bench(answer())
    delete = Change(replace(CHANGE.event, op=Operation.DELETE), None)
    assert bench.enricher.enrich(delete) == delete.event
    assert bench.api.requests == []


def text_of(**changed: Any) -> PageText:
    return replace(PageText("Dora Maar", 0, "A photographer.", 100, EARLIER, False), **changed)


def test_the_same_revision_keeps_the_events_time() -> None:
    document = adopt(CHANGE, text_of(), 1_000).document
    assert (document.text, document.version) == ("A photographer.", CHANGE.event.document.version)
    assert document.attributes["user"] == "Ada"


def test_a_newer_revision_brings_its_version_title_and_address() -> None:
    document = adopt(CHANGE, text_of(revision=105, title="Theodora"), 1_000).document
    assert (document.revision, document.updated_at, document.title) == (105, EARLIER, "Theodora")
    assert document.url == f"{PAGE.permalink}105"
    assert document.attributes == {"wiki": "enwiki", "namespace": 0, "change_kind": "edit", "bot": False}


def test_a_page_without_text_keeps_the_sentence() -> None:
    assert adopt(CHANGE, text_of(text="", revision=105), 1_000) == CHANGE.event


def test_a_long_text_ends_with_a_sentence() -> None:
    assert cut_at_sentence("One two. Three four. Five six.", 25) == "One two. Three four."
    assert cut_at_sentence("Word " * 20, 23) == "Word Word Word Word"
    assert cut_at_sentence("x" * 50, 20) == "x" * 20


@given(st.text(), st.integers(1, 200))
def test_a_cut_text_is_a_beginning_that_fits(text: str, limit: int) -> None:
    cut = cut_at_sentence(text, limit)
    assert len(cut) <= limit or cut == text
    assert text.startswith(cut)
    assert cut or not text[:limit].strip()


def test_the_rate_limiter_spreads_turns_and_holds() -> None:
    now = [100.0]
    clock: Callable[[], float] = lambda: now[0]  # noqa: E731
    limiter = RateLimiter(2.0, clock)
    assert [limiter.reserve() for _ in range(3)] == [0.0, 0.5, 1.0]
    now[0] = 110.0
    assert limiter.reserve() == 0.0
    limiter.hold(30.0)
    assert limiter.reserve() == 30.0
    assert RateLimiter(None, clock).reserve() == 0.0


def test_a_refused_page_says_why() -> None:
    with pytest.raises(SourceUnavailable) as error:
        Api(httpx.Response(503, headers={"Retry-After": "9"})).client.fetch(PAGE)
    assert error.value.retry_after == 9.0
