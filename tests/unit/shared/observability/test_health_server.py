from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram

from shared.errors import ConfigurationError
from shared.lifecycle import Heartbeat
from shared.observability.health_server import HealthServer
from tests.support.exposition import exemplars

TRACE = "0af7651916cd43dd8448eb211c80319c"


@dataclass
class Service:
    client: httpx.Client
    port: int
    obstacle: str | None = None

    def get(self, path: str) -> tuple[int, object]:
        response = self.client.get(path)
        return response.status_code, response.json()


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    registry = CollectorRegistry()
    Counter("turns", "Turns.", registry=registry)
    Histogram("work_seconds", "Work.", registry=registry).observe(0.1, {"trace_id": TRACE})
    heartbeat = Heartbeat(max_silence=getattr(request, "param", 60.0))
    server = HealthServer("127.0.0.1", 0, registry, heartbeat, lambda: probed.obstacle)
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
        probed = Service(client, server.port)
        yield probed
    server.close()


def test_ready_says_why_not(service: Service) -> None:
    assert service.get("/health/ready") == (200, {"status": "ok"})
    service.obstacle = 'waiting for "it"'
    assert service.get("/health/ready") == (503, {"status": "unavailable", "reason": 'waiting for "it"'})
    assert service.get("/health/live") == (200, {"status": "ok"})


@pytest.mark.parametrize("service", [-1.0], indirect=True)
def test_silence_is_not_life(service: Service) -> None:
    status, body = service.get("/health/live")
    assert (status, body) == (503, {"status": "unavailable", "reason": "the loop does not turn"})


def test_a_connection_that_says_nothing_holds_nobody_up(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port)):
        assert service.get("/health/live") == (200, {"status": "ok"})


def test_metrics_are_there_and_nothing_else(service: Service) -> None:
    assert "turns_total 0.0" in service.client.get("/metrics").text
    assert service.get("/") == (404, {"status": "not found"})


def test_traces_go_with_the_figures_where_the_format_has_them(service: Service) -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5"
    response = service.client.get("/metrics", headers={"Accept": accept})
    assert response.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert exemplars(response.text, "work_seconds") == {TRACE}
    assert TRACE not in service.client.get("/metrics").text


def test_a_port_in_use_is_one_line(service: Service) -> None:
    with pytest.raises(ConfigurationError, match=f"METRICS_PORT={service.port}: cannot listen"):
        HealthServer("127.0.0.1", service.port, CollectorRegistry(), Heartbeat(), lambda: None)
