"""What the API's ``/metrics`` says of requests, whoever sends them."""

from __future__ import annotations

from shared.observability.metrics import METHODS
from tests.support.exposition import exemplars, families, samples
from tests.unit.services.api.conftest import Api

MANY = 1_000
DURATION = "http_server_request_duration_seconds"
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5"}
QUESTION = {"question": "What has happened?"}


def exposition(api: Api) -> str:
    return api.anonymous.get("/metrics", headers=OPENMETRICS).text


def test_both_formats_say_which_they_are(api: Api) -> None:
    plain = api.anonymous.get("/metrics", headers={"Accept": "text/plain;version=0.0.4"})
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    open_metrics = api.anonymous.get("/metrics", headers=OPENMETRICS)
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert families(open_metrics.text).keys() >= {DURATION, "rag_requests_total", "rag_store_up"}


def test_each_route_for_people_is_there_before_anybody_asked(api: Api) -> None:
    routes = {
        (sample.labels["http_request_method"], sample.labels["http_route"])
        for sample in families(exposition(api))[DURATION].samples
    }
    documented = api.anonymous.get("/openapi.json").json()["paths"]
    expected = {
        (method.upper(), path)
        for path, methods in documented.items()
        for method in methods
        if path.startswith("/v1/")
    }
    assert {("POST", "/v1/ask"), ("DELETE", "/v1/documents/{document_id}")} <= expected
    assert expected <= routes


def test_the_status_that_a_route_begins_with_is_that_of_its_success(api: Api) -> None:
    before = len(samples(exposition(api)))
    api.client.post("/v1/ask", json=QUESTION)
    api.client.post("/v1/search", json=QUESTION)
    api.client.get("/v1/stats")
    document = {"document_id": "a", "title": "A", "text": "A text."}
    assert api.client.post("/v1/documents", json=document).status_code == 202
    after = {
        sample.labels["http_route"]
        for sample in families(exposition(api))[DURATION].samples
        if sample.labels["http_route"].startswith("/v1/")
    }
    assert len(samples(exposition(api))) - before <= 2 * 17, "only /metrics and /openapi.json are new"
    assert "/v1/ask" in after


def test_strangers_make_no_series(api: Api) -> None:
    """Paths, methods, ids, questions, names of models and sources are theirs to choose."""

    def visit(number: int) -> None:
        api.client.get(f"/path/{number}")
        api.client.request(f"VERB{number}", "/coffee")
        api.client.get(f"/v1/documents/id-{number}")
        chat = {"model": f"model-{number}", "messages": [{"role": "user", "content": f"Why {number}?"}]}
        api.client.post("/v1/chat/completions", json=chat)
        api.client.get(f"/v1/models/model-{number}")
        api.client.post("/v1/ask", json={"question": f"How many are {number}?"})
        api.anonymous.post("/v1/ask", json={})
        document = {"document_id": f"d{number}", "title": f"T{number}", "text": "x", "source": f"s{number}"}
        api.client.post("/v1/documents", json=document)

    visit(0)
    exposition(api)
    before = samples(exposition(api))
    for number in range(1, MANY // 8):
        visit(number)
    after = samples(exposition(api))
    assert len(after) == len(before)
    methods = {sample.labels.get("http_request_method", "GET") for sample in after}
    assert methods <= set(METHODS)


def test_a_request_under_way_is_counted_and_then_no_more(api: Api) -> None:
    def active() -> float | None:
        return api.registry.get_sample_value("http_server_active_requests", {"http_request_method": "POST"})

    seen: list[float | None] = []
    api.answering.on_ask = lambda: seen.append(active())
    api.client.post("/v1/ask", json=QUESTION)
    api.answering.error = ZeroDivisionError()
    api.client.post("/v1/ask", json=QUESTION)
    assert (seen, active()) == ([1, 1], 0)


def test_a_request_leads_to_its_trace(api: Api) -> None:
    traced = api.client.post("/v1/ask", json=QUESTION).headers["traceparent"].split("-")[1]
    assert traced in exemplars(exposition(api), DURATION)
    plain = api.anonymous.get("/metrics").text
    assert traced not in plain


def test_a_trace_that_its_caller_does_not_keep_is_no_exemplar(api: Api) -> None:
    kept, not_kept = "0af7651916cd43dd8448eb211c80319c", "1bf7651916cd43dd8448eb211c80319c"
    for path, trace_id, flags in (("/v1/stats", kept, "01"), ("/v1/models", not_kept, "00")):
        traceparent = f"00-{trace_id}-b7ad6b7169203331-{flags}"
        assert api.client.get(path, headers={"traceparent": traceparent}).status_code == 200
    found = exemplars(exposition(api), DURATION)
    assert kept in found
    assert not_kept not in found
