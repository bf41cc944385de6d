"""What Grafana is told at its start, against what the boards and Prometheus rely on."""

from __future__ import annotations

from typing import Any

import yaml
from opentelemetry import trace

from deploy.dashboards.plugins import alert_list
from deploy.dashboards.render import PROMETHEUS
from deploy.local.configuration import ROOT
from shared.observability.exemplars import exemplar

PROVISIONING = ROOT / "grafana" / "provisioning"


def _read(path: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((PROVISIONING / path).read_text(encoding="utf-8"))
    return found


def _source(kind: str) -> dict[str, Any]:
    (found,) = [each for each in _read("datasources/live-rag.yml")["datasources"] if each["type"] == kind]
    return found


def test_the_uids_are_those_that_the_boards_name() -> None:
    assert {"type": "prometheus", "uid": _source("prometheus")["uid"]} == PROMETHEUS
    assert _source("prometheus")["isDefault"]
    assert _source("jaeger")["uid"] == "jaeger"


def test_the_alert_list_finds_prometheus_by_its_name() -> None:
    assert alert_list()["datasource"] == _source("prometheus")["name"]
    assert _source("prometheus")["jsonData"]["manageAlerts"]


def test_an_exemplar_leads_to_jaeger_by_the_label_that_it_has() -> None:
    (destination,) = _source("prometheus")["jsonData"]["exemplarTraceIdDestinations"]
    context = trace.SpanContext(1, 2, is_remote=False, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED))
    with trace.use_span(trace.NonRecordingSpan(context)):
        assert list(exemplar() or {}) == [destination["name"]]
    assert destination["datasourceUid"] == _source("jaeger")["uid"]


def test_the_rate_interval_follows_from_how_often_prometheus_scrapes() -> None:
    prometheus = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    assert _source("prometheus")["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]


def test_nothing_can_be_changed_in_grafana_and_be_lost() -> None:
    (provider,) = _read("dashboards/live-rag.yml")["providers"]
    assert provider["allowUiUpdates"] is False
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
    assert not any(each["editable"] for each in _read("datasources/live-rag.yml")["datasources"])
