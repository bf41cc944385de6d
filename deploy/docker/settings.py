"""What only the stack in containers reads: memory limits, and what else differs from local mode.

``docker-compose.yml`` reads them itself; here they are checked before it does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from deploy.local.settings import Port
from shared.settings import EnvironmentSettings

Memory = Annotated[str, Field(pattern=r"^[1-9]\d*[kmg]$")]
"""As Docker, Redis and Java write it: ``512m``, ``2g``."""


class ContainerSettings(EnvironmentSettings):
    """``files_dir`` is mounted into containers as ``/files``, read-only: weights and recorded events of the
    user's own. ``kafka_log_retention_bytes`` is for each partition."""

    grafana_port: Port = 3000
    jaeger_port: Port = 16686
    files_dir: Path = Path("./data/files")
    live_rag_version: str = Field(default="0.1.0", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")
    torch_index_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    kafka_log_retention_hours: int = Field(default=168, ge=1)
    kafka_log_retention_bytes: int = Field(default=1_073_741_824, ge=1_048_576)
    kafka_heap: Memory = "400m"
    redis_maxmemory: Memory = "1g"
    kafka_memory: Memory = "1g"
    redis_memory: Memory = "2g"
    producer_memory: Memory = "384m"
    processor_memory: Memory = "2g"
    api_memory: Memory = "2g"
    gateway_memory: Memory = "128m"
    replay_memory: Memory = "512m"
    ollama_memory: Memory = "4g"
    prometheus_memory: Memory = "768m"
    grafana_memory: Memory = "512m"
    jaeger_memory: Memory = "1g"
    exporter_memory: Memory = "128m"
