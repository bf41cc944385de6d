"""The installed stack, started as a user starts it, on ports and data of its own.

For benchmarks and for the end-to-end tests.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class RunningStack:
    """A client of one running stack, and of its replay server."""

    environment: Mapping[str, str]
    facts: dict[str, Any]
    api: httpx.Client
    replay: httpx.Client

    def script(self, *command: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run one of the project's scripts against this stack."""
        return run_script(*command, environment=self.environment, timeout=timeout)

    def ask(self, question: str, **body: Any) -> dict[str, Any]:
        return _json(self.api.post("/v1/ask", json={"question": question, **body}))

    def search(self, question: str, **body: Any) -> list[dict[str, Any]]:
        hits: list[dict[str, Any]] = _json(self.api.post("/v1/search", json={"question": question, **body}))[
            "hits"
        ]
        return hits

    def revision(self, document_id: str) -> int | None:
        """Of the live document; ``None``: there is none."""
        response = self.api.get(f"/v1/documents/{quote(document_id, safe='')}")
        return None if response.status_code == httpx.codes.NOT_FOUND else int(_json(response)["revision"])

    def publish(self, story: str, step: int) -> dict[str, Any]:
        """Send the story's events up to ``step`` on the stream, now."""
        return _json(self.replay.post("/replay/publish", json={"story": story, "step": step}))

    def metric(self, service: str, name: str) -> float:
        """The sum of a metric's samples over its labels, or of those with the labels that ``name`` ends
        with: ``rag_requests_total{outcome="answered"}``."""
        text = httpx.get(self.facts["metrics"][service], trust_env=False).text
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in text.splitlines()
            if line.startswith((name + " ", name if name.endswith("}") else name + "{"))
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _json(response: httpx.Response) -> dict[str, Any]:
    assert response.is_success, f"{response.request.url}: {response.status_code} {response.text[:500]}"
    body: dict[str, Any] = response.json()
    return body


def run_script(
    *command: str, environment: Mapping[str, str], timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / command[0]), *command[1:]],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )


@contextlib.contextmanager
def started_stack(data_dir: Path, *options: str, **settings: str) -> Iterator[RunningStack]:
    """Start with ``start.sh`` and its ``options``, stop with ``stop.sh``."""
    environment = {
        **os.environ,
        "DATA_DIR": str(data_dir),
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}",
        "API_PORT": str(free_port()),
        "PRODUCER_METRICS_PORT": str(free_port()),
        "PROCESSOR_METRICS_PORT": str(free_port()),
        "REPLAY_PORT": str(free_port()),
        "PROMETHEUS_PORT": str(free_port()),
        "SOURCE": "replay",
        **settings,
    }
    started = run_script("start.sh", "--local", *options, environment=environment, timeout=600)
    assert started.returncode == 0, started.stdout
    try:
        facts = json.loads((data_dir / "run" / "stack.json").read_text())
        key = Path(facts["key_file"]).read_text().split()[-1]
        with (
            httpx.Client(
                base_url=facts["urls"]["api"],
                headers={"Authorization": f"Bearer {key}"},
                timeout=60,
                trust_env=False,
            ) as api,
            httpx.Client(base_url=facts["urls"]["replay"], timeout=30, trust_env=False) as replay,
        ):
            yield RunningStack(environment, facts, api, replay)
    finally:
        stopped = run_script("stop.sh", environment=environment)
        assert stopped.returncode == 0, stopped.stdout
