from __future__ import annotations

from datetime import timedelta

import pytest

from services.api.readiness import Readiness
from shared.errors import BrokerUnavailable, StoreUnavailable
from tests.unit.services.api.conftest import NOW, Api, FixedClock


def test_stats_of_an_empty_store(api: Api) -> None:
    assert api.client.get("/v1/stats").json() == {
        "documents": 0,
        "chunks": 0,
        "tombstones": 0,
        "as_of": None,
        "last_indexed_at": None,
        "freshness_seconds": None,
        "embedder": "hashing",
        "llm": "extractive",
        "store": "memory",
        "uptime_seconds": 0.0,
    }


def test_stats_count_and_date_what_is_indexed(api: Api) -> None:
    api.put("a")
    api.put("b", updated_at=NOW - timedelta(minutes=1))
    api.clock.moment = NOW + timedelta(seconds=3)
    api.clock.seconds += 90
    stats = api.client.get("/v1/stats").json()
    assert (stats["documents"], stats["chunks"]) == (2, 4)
    assert stats["as_of"] == "2026-11-22T09:30:00.250Z"
    assert stats["last_indexed_at"] == "2026-11-22T09:30:00.250Z"
    assert stats["freshness_seconds"] == 3.0
    assert stats["uptime_seconds"] == 90.0


def test_live_needs_no_dependency(api: Api) -> None:
    api.failing_checks["broker"] = BrokerUnavailable("away")
    response = api.anonymous.get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_ready_names_each_check(api: Api) -> None:
    response = api.anonymous.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "checks": {"store": "ok", "broker": "ok"}}


def test_not_ready_says_which_dependency_and_recovers(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    api.failing_checks["broker"] = BrokerUnavailable("no broker answers on 10.0.0.7:9092")
    response = api.anonymous.get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {
        "status": "unavailable",
        "checks": {"store": "ok", "broker": "unavailable"},
    }
    api.clock.seconds += 1
    api.anonymous.get("/health/ready")
    (record,) = [record for record in caplog.records if record.message == "not ready"]
    assert vars(record)["reason"] == "no broker answers on 10.0.0.7:9092", "the log tells why, once"
    api.failing_checks.clear()
    api.clock.seconds += 1
    assert api.anonymous.get("/health/ready").status_code == 200


def test_a_report_is_used_again_for_a_moment() -> None:
    clock = FixedClock()
    runs: list[float] = []
    readiness = Readiness({"store": lambda: runs.append(clock.seconds)}, clock, max_age=1.0)
    for seconds in (0.0, 0.5, 0.4, 0.2):
        clock.seconds += seconds
        assert readiness.report().ready
    assert len(runs) == 2


def test_a_bug_in_a_check_is_not_hidden_as_unavailable() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Readiness({"broken": broken}, FixedClock()).report()


def test_metrics_are_prometheus_text_with_the_index_gauges(api: Api) -> None:
    api.put("a")
    response = api.anonymous.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    samples = dict(line.rsplit(" ", 1) for line in response.text.splitlines() if not line.startswith("#"))
    assert float(samples["rag_index_documents"]) == 1
    assert float(samples["rag_index_chunks"]) == 2
    assert float(samples["rag_index_last_write_timestamp_seconds"]) == NOW.timestamp()
    assert float(samples['rag_requests_total{outcome="answered"}']) == 0


def test_openmetrics_carry_the_trace_of_a_request(api: Api) -> None:
    traced = api.client.get("/v1/stats").headers["traceparent"].split("-")[1]
    response = api.anonymous.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert f'# {{trace_id="{traced}"}}' in response.text


def test_metrics_leave_the_index_out_while_the_store_is_away(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(api.store, "stats", away)
    response = api.anonymous.get("/metrics")
    assert response.status_code == 200
    assert "rag_index_documents" not in response.text
    assert "rag_requests_total" in response.text
    assert api.client.get("/v1/stats").status_code == 503
