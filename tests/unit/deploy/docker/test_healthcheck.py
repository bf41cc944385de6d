"""The images' health check, run as a container runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from deploy.paths import ROOT
from shared.lifecycle import Heartbeat
from shared.observability.health_server import HealthServer
from tests.support.processes import free_port

SCRIPT = ROOT / "deploy" / "docker" / "healthcheck.py"


@dataclass
class Service:
    heartbeat: Heartbeat = field(default_factory=lambda: Heartbeat(3_600))
    obstacle: str | None = None
    port: int = 0


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    server = HealthServer("127.0.0.1", 0, CollectorRegistry(), service.heartbeat, lambda: service.obstacle)
    server.start()
    service.port = server.port
    yield service
    server.close()


def check(port: object, question: str) -> tuple[int, str]:
    """Exit code and what it says."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), "METRICS_PORT", question],
        env={"METRICS_PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.strip()


def test_says_nothing_where_all_is_well(service: Service) -> None:
    assert check(service.port, "live") == (0, "")
    assert check(service.port, "ready") == (0, "")


def test_tells_life_from_readiness(service: Service) -> None:
    service.obstacle = "waiting for the broker"
    assert check(service.port, "live") == (0, "")
    assert check(service.port, "ready") == (1, "/health/ready: HTTP/1.0 503 Service Unavailable")


def test_a_loop_that_does_not_turn_fails(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.heartbeat, "_max_silence", -1.0)
    assert check(service.port, "live") == (1, "/health/live: HTTP/1.0 503 Service Unavailable")


def test_nobody_there_or_no_such_port_fails_in_one_line() -> None:
    port = free_port()
    for value, problem in ((port, "refused"), ("", "invalid literal"), ("x", "invalid literal")):
        code, said = check(value, "live")
        assert code == 1
        assert said.startswith(f"METRICS_PORT={value}: ")
        assert problem in said
        assert "\n" not in said


def test_loads_nothing_that_takes_time() -> None:
    """It runs every few seconds beside services that need the processor themselves."""
    command = [sys.executable, "-I", "-S", "-X", "importtime", str(SCRIPT), "NO_SUCH_PORT", "live"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stderr
    loaded = {
        line.rpartition("|")[2].strip() for line in said.splitlines() if line.startswith("import time:")
    }
    assert "socket" in loaded
    assert loaded.isdisjoint({"http", "http.client", "email", "ssl", "asyncio", "urllib.request", "logging"})
