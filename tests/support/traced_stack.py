"""Replay server, producer, processor and API as processes, all of which export to one receiver of traces."""

from __future__ import annotations

import contextlib
import json
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from shared.settings import KafkaSettings
from tests.support.api_process import RunningApi, an_api, environment, kafka_settings
from tests.support.otlp_receiver import OtlpReceiver, otlp_receiver
from tests.support.processes import accepts_connections, free_port, running, wait_until


@dataclass(frozen=True, slots=True)
class TracedStack:
    """``ports``: of the metrics of each service."""

    receiver: OtlpReceiver
    api: RunningApi
    folder: Path
    ports: Mapping[str, int]
    replay_port: int

    @property
    def client(self) -> httpx.Client:
        return self.api.client

    @property
    def kafka(self) -> KafkaSettings:
        return self.api.kafka

    def publish_edits(self, count: int) -> None:
        """The next changes of the demo wiki."""
        answer = httpx.post(f"http://127.0.0.1:{self.replay_port}/replay/publish", json={"count": count})
        assert answer.status_code == 200, answer.text

    def log_lines(self, service: str) -> list[dict[str, Any]]:
        path = self.api.log if service == "api" else self.folder / f"{service}.log"
        return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]

    def metrics(self, service: str) -> str:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.ports[service]}/metrics", timeout=30
        ) as response:
            text: str = response.read().decode()
            return text


@contextlib.contextmanager
def traced_stack(broker: str, folder: Path) -> Iterator[TracedStack]:
    kafka, data_dir = kafka_settings(broker), folder / "data"
    data_dir.mkdir()
    replay_port, producer_port, processor_port = free_port(), free_port(), free_port()
    with otlp_receiver() as receiver, contextlib.ExitStack() as stack:
        common = {
            **environment(data_dir, 0, kafka),
            "KAFKA_GROUP_ID": kafka.group_id,
            "KAFKA_SESSION_TIMEOUT_MS": str(kafka.session_timeout_ms),
            "KAFKA_ASSIGNMENT_STRATEGY": kafka.assignment_strategy,
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "LOG_LEVEL": "DEBUG",
        }

        def start(name: str, **settings: str) -> None:
            command = (sys.executable, "-m", f"services.{name}")
            stack.enter_context(running(command, folder / f"{name}.log", {**common, **settings}))

        start("replay", REPLAY_PORT=str(replay_port), REPLAY_PAUSED="true", REPLAY_HISTORY="0")
        wait_until(lambda: accepts_connections(replay_port), 60, "replay server")
        start(
            "producer",
            SOURCE="replay",
            REPLAY_URL=f"http://127.0.0.1:{replay_port}",
            METRICS_PORT=str(producer_port),
        )
        start("processor", METRICS_PORT=str(processor_port))
        api = stack.enter_context(an_api(data_dir, kafka, **_without_port(common)))
        ports = {"producer": producer_port, "processor": processor_port, "api": api.port}
        yield TracedStack(receiver, api, folder, ports, replay_port)


def _without_port(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name != "API_PORT"}
