"""An API process as the tests run it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from shared.settings import KafkaSettings
from tests.support.processes import free_port, running, wait_until

KEY = "integration-key"
COMMAND = [sys.executable, "-m", "services.api"]


@dataclass
class RunningApi:
    client: httpx.Client
    process: subprocess.Popen[bytes]
    kafka: KafkaSettings
    data_dir: Path
    log: Path
    port: int

    def log_lines(self) -> list[dict[str, object]]:
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


def write_key(data_dir: Path) -> None:
    data_dir.mkdir(exist_ok=True)
    path = data_dir / "api-keys"
    path.touch(mode=0o600)
    path.write_text(f"{KEY}\n")


def environment(data_dir: Path, port: int, kafka: KafkaSettings) -> dict[str, str]:
    return {
        "API_PORT": str(port),
        "DATA_DIR": str(data_dir),
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_TOPIC": kafka.topic,
        "KAFKA_DLQ_TOPIC": kafka.dlq_topic,
        "VECTOR_STORE": "faiss",
        "EMBEDDER": "hashing",
        "LLM": "extractive",
        "LOG_FORMAT": "json",
    }


@contextlib.contextmanager
def an_api(
    data_dir: Path, kafka: KafkaSettings, *, until: str = "/v1/stats", **changes: str
) -> Iterator[RunningApi]:
    """Started, and ``until`` answers with 200: by default its store is open."""
    write_key(data_dir)
    port, log = free_port(), data_dir / "api.log"
    headers = {"Authorization": f"Bearer {KEY}"}
    with (
        running(COMMAND, log, {**environment(data_dir, port, kafka), **changes}) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client,
    ):
        api = RunningApi(client, process, kafka, data_dir, log, port)

        def is_up() -> bool:
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(httpx.TransportError):
                return client.get(until).status_code == 200
            return False

        wait_until(is_up, 60, f"api on port {port} (log: {log})")
        yield api


def kafka_settings(broker: str) -> KafkaSettings:
    name = f"api-{uuid.uuid4().hex[:8]}"
    return KafkaSettings(
        bootstrap_servers=broker,
        topic=name,
        dlq_topic=f"{name}.dlq",
        group_id=name,
        session_timeout_ms=6000,
        assignment_strategy="range",
        _env_file=None,
    )
