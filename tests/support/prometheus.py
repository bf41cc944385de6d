"""The real ``prometheus`` and ``promtool``, and a Prometheus that runs for a test."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.configuration import ROOT, Stack
from deploy.local.prometheus import prometheus_command
from tests.support.processes import running, wait_until

FETCHED = ROOT / ".venv" / "prometheus" / "usr" / "bin"
"""Where ``./test.sh`` puts them on a machine that has apt and not these (``deploy/lib.sh``)."""


def prometheus_program(name: str) -> str:
    """``prometheus`` or ``promtool``; the test skips where they are not to be had."""
    found = shutil.which(name) or shutil.which(name, path=str(FETCHED))
    if found is None:
        pytest.skip(
            f"{name} is neither installed nor in {FETCHED.relative_to(ROOT)}: apt-get install prometheus"
        )
    return found


def path_with_prometheus() -> str:
    """A ``PATH`` on which ``./start.sh --with prometheus`` finds one."""
    return os.pathsep.join((os.environ["PATH"], str(Path(prometheus_program("prometheus")).parent)))


def promtool(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Its output and exit code; both streams as one text."""
    return subprocess.run(
        [prometheus_program("promtool"), *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )


@dataclass(frozen=True)
class PrometheusClient:
    """The HTTP API of a Prometheus."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """An instant query's samples: ``[{"metric": {…}, "value": [time, "1"]}, …]``."""
        result: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return result

    def targets(self) -> list[dict[str, Any]]:
        """``health`` is ``up``, ``down`` or, before the first scrape, ``unknown``; ``lastError`` says why."""
        found: list[dict[str, Any]] = self._get("targets")["activeTargets"]
        return found

    def up(self) -> set[str]:
        """The instances that answered their last scrape."""
        return {target["labels"]["instance"] for target in self.targets() if target["health"] == "up"}

    def rules(self) -> list[dict[str, Any]]:
        """Recording and alert rules of all groups."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def exemplars(self, expression: str, start: float, end: float) -> list[dict[str, Any]]:
        found = httpx.get(
            f"{self.url}/api/v1/query_exemplars",
            params={"query": expression, "start": start, "end": end},
            trust_env=False,
        )
        found.raise_for_status()
        series: list[dict[str, Any]] = found.json()["data"]
        return series

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {
            alert["labels"]["alertname"]
            for alert in self._get("alerts")["alerts"]
            if alert["state"] == "firing"
        }

    def report(self) -> str:
        """What fires and which targets are down, for the message of a failed test."""
        firing = [alert for alert in self._get("alerts")["alerts"] if alert["state"] == "firing"]
        down = [target for target in self.targets() if target["health"] != "up"]
        return "\n".join(
            (
                "firing:",
                *(f"  {alert['labels']} {alert['annotations'].get('description')}" for alert in firing),
                "down:",
                *(f"  {target['scrapeUrl']}: {target['lastError']}" for target in down),
            )
        )

    def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        # Nothing is encrypted here, and reading the certificates each time would take longer than the query.
        response = httpx.get(
            f"{self.url}/api/v1/{path}", params=parameters, trust_env=False, verify=False, timeout=30
        )
        response.raise_for_status()
        data: dict[str, Any] = response.json()["data"]
        return data


@contextlib.contextmanager
def running_prometheus(stack: Stack, config: str) -> Iterator[PrometheusClient]:
    """As ``./start.sh --with prometheus`` runs it, with ``config``, until the end of the block."""
    stack.run_dir.mkdir(parents=True, exist_ok=True)
    stack.prometheus_config.write_text(config, encoding="utf-8")
    command = prometheus_command(prometheus_program("prometheus"), stack)
    log = stack.run_dir / "prometheus.log"
    with running(command, log):
        wait_until(lambda: _is_ready(stack.prometheus_url), 60, f"Prometheus is ready (log: {log})")
        yield PrometheusClient(stack.prometheus_url)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
