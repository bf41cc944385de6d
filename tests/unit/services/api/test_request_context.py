"""What every response carries, whatever the route."""

from __future__ import annotations

import logging
import re

import pytest

from tests.unit.services.api.conftest import Api

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
PATHS = ["/", "/docs", "/openapi.json", "/health/live", "/health/ready", "/metrics", "/v1/stats", "/absent"]


@pytest.mark.parametrize("path", PATHS)
def test_every_response_has_its_ids_and_safe_defaults(api: Api, path: str) -> None:
    response = api.client.get(path)
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]", response.headers["traceparent"])
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


def test_a_sane_request_id_is_echoed(api: Api) -> None:
    response = api.client.get("/v1/stats", headers={"X-Request-ID": "order-17:3.a_B"})
    assert response.headers["x-request-id"] == "order-17:3.a_B"


@pytest.mark.parametrize("insane", ["", "a b", "x" * 129, 'a"b', "a\tb", "é"])
def test_any_other_request_id_is_replaced(api: Api, insane: str) -> None:
    response = api.client.get("/v1/stats", headers={"X-Request-ID": insane.encode("latin-1")})
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])


def test_the_span_continues_the_callers_trace(api: Api) -> None:
    response = api.client.post("/v1/ask", json={"question": "What?"}, headers={"traceparent": TRACEPARENT})
    assert response.headers["traceparent"].split("-")[1] == TRACE
    assert response.json()["trace_id"] == TRACE
    (span,) = api.spans.get_finished_spans()
    assert span.name == "POST /v1/ask"
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 200
    assert response.headers["traceparent"].split("-")[2] == f"{span.context.span_id:016x}"


def test_a_broken_traceparent_starts_a_trace(api: Api) -> None:
    response = api.client.get("/health/live", headers={"traceparent": "00-zz-1-01"})
    assert response.headers["traceparent"].split("-")[1] != "0" * 32


def test_durations_are_counted_by_route_template(api: Api) -> None:
    api.client.get("/v1/documents/some/id")
    api.client.get("/v1/documents/another")
    api.client.get("/no/such/path")
    api.client.put("/v1/ask")

    def count(method: str, route: str, status: str) -> float | None:
        return api.registry.get_sample_value(
            "http_server_request_duration_seconds_count",
            {"http_request_method": method, "http_route": route, "http_response_status_code": status},
        )

    assert count("GET", "/v1/documents/{document_id}", "404") == 2
    assert count("GET", "unmatched", "404") == 1
    assert count("PUT", "/v1/ask", "405") == 1


def test_an_invented_method_does_not_become_a_label(api: Api) -> None:
    api.client.request("BREW", "/coffee")
    assert (
        api.registry.get_sample_value(
            "http_server_request_duration_seconds_count",
            {
                "http_request_method": "_OTHER",
                "http_route": "unmatched",
                "http_response_status_code": "404",
            },
        )
        == 1
    )


def test_one_log_line_a_request_without_the_query(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "services.api.access"):
        api.client.get("/v1/documents/a%20b?token=secret", headers={"X-Request-ID": "r-1"})
        api.client.get("/health/live")
    (record,) = [record for record in caplog.records if record.name == "services.api.access"]
    fields = vars(record)
    assert fields["method"] == "GET"
    assert fields["path"] == "/v1/documents/a b"
    assert fields["route"] == "/v1/documents/{document_id}"
    assert fields["status"] == 404
    assert fields["request_id"] == "r-1"
    assert fields["duration_ms"] >= 0
    assert "secret" not in str(fields)


def test_an_unexpected_error_is_logged_once_and_told_without_its_cause(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    api.answering.error = ZeroDivisionError("a secret detail")
    response = api.client.post("/v1/ask", json={"question": "What?"}, headers={"traceparent": TRACEPARENT})
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["trace_id"] == TRACE
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    assert response.headers["x-request-id"]
    (failed,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert failed.exc_info is not None
    assert failed.exc_info[0] is ZeroDivisionError
    assert (
        api.registry.get_sample_value(
            "http_server_request_duration_seconds_count",
            {"http_request_method": "POST", "http_route": "/v1/ask", "http_response_status_code": "500"},
        )
        == 1
    )
