"""Every panel's query, asked of a real Prometheus while nothing happens: none is empty, none is NaN."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from deploy.dashboards.catalogue import queries
from deploy.dashboards.model import PanelQuery
from deploy.local.configuration import Stack
from deploy.local.prometheus import RULES
from deploy.local.settings import LocalStackSettings
from shared.lifecycle import Heartbeat
from shared.observability.health_server import HealthServer
from shared.observability.metrics import ApiMetrics, ProcessorMetrics, ProducerMetrics
from tests.support.processes import free_port, wait_until
from tests.support.prometheus import PrometheusClient, running_prometheus

SERVICES: dict[str, Callable[[CollectorRegistry], object]] = {
    "api": ApiMetrics,
    "producer": ProducerMetrics,
    "processor": ProcessorMetrics,
}
WINDOW = "5s"


@contextlib.contextmanager
def _services() -> Iterator[dict[str, int]]:
    """Job → port of a process that has just started and has had nothing to do."""
    with contextlib.ExitStack() as servers:
        ports = {}
        for job, metrics in SERVICES.items():
            registry = CollectorRegistry()
            metrics(registry)
            server = HealthServer("127.0.0.1", 0, registry, Heartbeat(60), lambda: None)
            server.start()
            servers.callback(server.close)
            ports[job] = server.port
        yield ports


@contextlib.contextmanager
def _watched(folder: Path, ports: dict[str, int]) -> Iterator[PrometheusClient]:
    port = free_port()
    settings = LocalStackSettings(_env_file=None, data_dir=folder, prometheus_port=port)  # type: ignore[call-arg]
    jobs = {**ports, "prometheus": port}
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [f"{RULES}/*.yml"],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
            for job, port in jobs.items()
        ],
    }
    with running_prometheus(Stack(settings, prometheus=True), json.dumps(config)) as prometheus:
        # A rate needs two samples of its window, and a rule an evaluation after that.
        wait_until(
            lambda: (
                {sample["metric"]["job"] for sample in prometheus.query(f"sum_over_time(up[{WINDOW}]) >= 4")}
                == set(jobs)
            ),
            60,
            "four scrapes of every job within the window",
            interval=0.2,
        )
        yield prometheus


def _silent(prometheus: PrometheusClient, asked: list[PanelQuery]) -> list[str]:
    """Panels that would show nothing."""
    silent = []
    for query in asked:
        expression = query.ready(WINDOW)
        values = [float(sample["value"][1]) for sample in prometheus.query(expression)]
        if not values or any(math.isnan(value) for value in values):
            silent.append(f"{query.board}: {query.panel}: {expression}: {values}")
    return silent


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusClient]:
    with _services() as ports, _watched(tmp_path_factory.mktemp("idle"), ports) as prometheus:
        yield prometheus


def test_no_panel_is_empty_before_the_first_event(idle: PrometheusClient) -> None:
    assert _silent(idle, list(queries())) == []


def test_a_share_of_nothing_would_be(idle: PrometheusClient) -> None:
    nothing = PanelQuery(
        "board", "share", "sum(rate(rag_requests_total[5m])) / sum(rate(rag_requests_total[5m]))"
    )
    unknown = PanelQuery("board", "absent", "sum(rag_consumer_lag_messages)")
    assert len(_silent(idle, [nothing, unknown])) == 2


def test_no_panel_but_those_of_the_api_itself_is_empty_where_no_service_runs(tmp_path: Path) -> None:
    with _watched(tmp_path, {}) as prometheus:
        silent = _silent(prometheus, list(queries()))
    assert [line for line in silent if "Time to answer, every question" not in line] == []
