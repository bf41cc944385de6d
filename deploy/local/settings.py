"""What the local stack itself reads: where things listen and where everything is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from shared.settings import EnvironmentSettings

Port = Annotated[int, Field(ge=1, le=65_535)]


class LocalStackSettings(EnvironmentSettings):
    """Several stacks run side by side when their ports and ``DATA_DIR`` differ."""

    data_dir: Path = Path("./data")
    vector_store: Literal["faiss", "redis"] = "faiss"  # "memory" cannot be shared by a stack's processes
    kafka_bootstrap_servers: str = "127.0.0.1:9092"
    api_host: str = "127.0.0.1"
    api_port: Port = 8000
    api_keys_file: Path | None = None
    producer_metrics_port: Port = 9101
    processor_metrics_port: Port = 9102
    replay_port: Port = 8090
    prometheus_port: Port = 9090

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _one_loopback_listener(cls, value: str) -> str:
        host, _, port = value.strip().rpartition(":")
        if host not in ("127.0.0.1", "localhost") or not port.isdigit() or not 1 <= int(port) <= 65_535:
            raise ValueError("local mode starts its own broker, so 127.0.0.1:PORT is needed")
        return value.strip()

    @property
    def broker_port(self) -> int:
        return int(self.kafka_bootstrap_servers.rpartition(":")[2])
