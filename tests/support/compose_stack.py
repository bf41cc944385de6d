"""The shipped stack in containers, started by the shipped script, with stand-ins for what cannot be had."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench.stack import free_port, run_script
from tests.support.engine import Engine
from tests.support.engine_images import ROOT, base_image, build_image
from tests.support.processes import wait_until
from tests.support.stand_ins import OVERRIDE, build_stand_ins

VERSION = "test"
"""Of the images, which the next run finds again. Not a user's."""
ONE_SHOT = "kafka-topics"
_START_SECONDS = 1200.0
_STOP_SECONDS = 400.0
_HEALTHY_SECONDS = 180.0
_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"
_METRICS = {"producer": 9101, "processor": 9102, "api": 8000}
_REQUEST = """
import sys, urllib.request
method, url, body = sys.argv[1:]
headers = {"Content-Type": "application/json"}
request = urllib.request.Request(url, body.encode() if method == "POST" else None, headers, method=method)
print(urllib.request.urlopen(request, timeout=30).read().decode())
"""
Inspected = dict[str, Any]


@dataclass
class ComposeStack:
    """``environment``: what the scripts are run with. ``name``: of the Compose project."""

    engine: Engine
    environment: Mapping[str, str]
    name: str
    data_dir: Path
    api: httpx.Client = field(init=False)

    @property
    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data_dir / "docker" / "stack.json").read_text())
        return found

    def secret(self, name: str) -> str:
        """Without the lines that are comments."""
        lines = (self.data_dir / "docker" / "secrets" / name).read_text().splitlines()
        return "\n".join(line for line in lines if not line.startswith("#"))

    def script(
        self, *command: str, timeout: float = _START_SECONDS, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """One of the project's scripts, with ``settings`` changed for this call."""
        return run_script(*command, environment={**self.environment, **settings}, timeout=timeout)

    def start(self, *options: str, **settings: str) -> str:
        """``./start.sh --docker`` with the override; its output."""
        done = self.script("start.sh", "--docker", "--override", str(OVERRIDE), *options, **settings)
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def stop(self, *options: str) -> str:
        done = self.script("stop.sh", *options, timeout=_STOP_SECONDS)
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def containers(self, service: str | None = None) -> list[Inspected]:
        """What ``docker inspect`` says of each, running or not, sorted by name."""
        only = () if service is None else ("--filter", f"label={_SERVICE}={service}")
        ids = self.engine.run(
            *("container", "ls", "--all", "--quiet", "--filter", f"label={_PROJECT}={self.name}"), *only
        ).stdout.split()
        found: list[Inspected] = json.loads(self.engine.run("inspect", *ids).stdout) if ids else []
        return sorted(found, key=lambda container: str(container["Name"]))

    def running(self) -> list[Inspected]:
        """All but the one that is done when it has made the topics."""
        return [container for container in self.containers() if service_of(container) != ONE_SHOT]

    def one(self, service: str) -> Inspected:
        (container,) = self.containers(service)
        return container

    def wait_healthy(self, *, since: Mapping[str, str] | None = None) -> None:
        """Until every container is. ``since``: when those were started that must be started anew."""
        wait_until(lambda: not self._unwell(since or {}), _HEALTHY_SECONDS, "every container is healthy", 0.5)

    def _unwell(self, since: Mapping[str, str]) -> list[str]:
        return [
            container["Name"]
            for container in self.running()
            if container["State"].get("Health", {}).get("Status") != "healthy"
            or container["State"]["StartedAt"] == since.get(container["Id"])
        ]

    def execute(
        self, container: Inspected, *command: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        return self.engine.run("exec", "--interactive", container["Id"], *command, check=check)

    def address(self, service: str, network: str = "backend") -> str:
        """The IP address of its only container."""
        networks = self.one(service)["NetworkSettings"]["Networks"]
        return str(networks[f"{self.name}_{network}"]["IPAddress"])

    def ask(self, question: str, **body: Any) -> dict[str, Any]:
        return answered(self.api.post("/v1/ask", json={"question": question, **body}))

    def search(self, question: str, **body: Any) -> list[dict[str, Any]]:
        hits: list[dict[str, Any]] = answered(
            self.api.post("/v1/search", json={"question": question, **body})
        )["hits"]
        return hits

    def replay(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """A request to the replay server, from inside its container: it obeys nobody else."""
        command = ("python", "-c", _REQUEST, method, f"http://127.0.0.1:8090{path}", json.dumps(body))
        answer: dict[str, Any] = json.loads(self.execute(self.one("replay"), *command).stdout)
        return answer

    def publish(self, story: str, step: int) -> dict[str, Any]:
        """Send the story's events up to ``step`` on the stream, now."""
        return self.replay("POST", "/replay/publish", story=story, step=step)

    def metric(self, service: str, name: str) -> list[float]:
        """The sum of a metric's samples in each container of a service."""
        return [
            sum(
                float(line.rsplit(" ", 1)[1])
                for line in self.metrics(container).splitlines()
                if line.startswith((name + " ", name + "{"))
            )
            for container in self.containers(service)
        ]

    def metrics(self, container: Inspected) -> str:
        """The page of one of our services."""
        address = container["NetworkSettings"]["Networks"][f"{self.name}_backend"]["IPAddress"]
        url = f"http://{address}:{_METRICS[service_of(container)]}/metrics"
        return answered_text(httpx.get(url, trust_env=False, timeout=30))

    def wait(self, holds: Callable[[], bool], what: str, seconds: float = _HEALTHY_SECONDS) -> None:
        wait_until(holds, seconds, what, 0.2)


def service_of(container: Inspected) -> str:
    return str(container["Config"]["Labels"][_SERVICE])


def answered_text(response: httpx.Response) -> str:
    assert response.is_success, f"{response.request.url}: {response.status_code} {response.text[:500]}"
    return response.text


def answered(response: httpx.Response) -> dict[str, Any]:
    """The body of a response that must be a success."""
    body: dict[str, Any] = json.loads(answered_text(response))
    return body


@contextlib.contextmanager
def compose_stack(engine: Engine, data_dir: Path, *options: str, **settings: str) -> Iterator[ComposeStack]:
    """Built and started by ``start.sh``, removed with its data at the end."""
    build_stand_ins(engine)
    name = f"compose-test-{uuid.uuid4().hex[:8]}"
    environment = {
        **engine.environment,
        # Compose is there, where the tests were installed.
        "PATH": os.pathsep.join((str(ROOT / ".venv" / "bin"), os.environ["PATH"])),
        "TEST_BASE_IMAGE": base_image(engine),
        "TEST_BUILD_IMAGE": build_image(engine),
        "COMPOSE_PROJECT_NAME": name,
        "LIVE_RAG_VERSION": VERSION,
        "DATA_DIR": str(data_dir),
        "SOURCE": "replay",
        **{f"{part}_PORT": str(free_port()) for part in ("API", "GRAFANA", "PROMETHEUS", "JAEGER")},
        **settings,
    }
    stack = ComposeStack(engine, environment, name, data_dir)
    try:
        stack.start(*options)
        key = stack.secret("api_keys").split()[-1]
        with httpx.Client(
            base_url=stack.facts["urls"]["api"],
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
            trust_env=False,
        ) as stack.api:
            yield stack
    finally:
        stack.stop("--clean", "--yes")
