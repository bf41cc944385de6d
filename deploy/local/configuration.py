"""From settings to one stack: its ports, its files, and the environment of its processes."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from deploy.local.broker import GROUP_SETTINGS
from deploy.local.settings import LocalStackSettings
from deploy.paths import ROOT as ROOT

STACK_MARKER = "LIVE_RAG_STACK"
"""Set in every process of a stack to the folder it runs in, so that no stray is missed by a stop."""

LOCAL_DEFAULTS = {
    **GROUP_SETTINGS,
    # The broker forgets on exit, so a new one is filled again from a little way back.
    "SOURCE_REWIND": "15m",
    "HF_HUB_OFFLINE": "1",
    # Threads that spin while they wait take the cores from the other services: p95 freshness under
    # a stream of searches is .28 s with the default and .10 s with this.
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
}
"""What local mode sets differently; the environment and ``.env`` win over it."""

_STATE = ("store", "producer", "prometheus")
"""Folders that the programs keep their state in."""

_INSTANCE = re.compile(r"-\d+$")

_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - recognised, not bound

# A unix socket's path is a char[108] on Linux and a char[104] on macOS, and supervisord first binds
# to the path with "." and its process id appended.
_LONGEST_SOCKET_PATH = 104 - len(".4194304") - 1


def merge_environment(environment: Mapping[str, str], dotenv: Mapping[str, str | None]) -> dict[str, str]:
    """What every process of the stack sees: environment, over ``.env``, over the local defaults. An empty
    ``OTEL_…`` is left out: by OpenTelemetry's rules it is not set, and the broker exits on one."""
    from_file = {name.upper(): value for name, value in dotenv.items() if value is not None}
    given = {name.upper() for name in environment}
    below = {**LOCAL_DEFAULTS, **from_file}
    merged = {**{name: value for name, value in below.items() if name not in given}, **environment}
    return {name: value for name, value in merged.items() if value or not name.startswith("OTEL_")}


def read_environment() -> dict[str, str]:
    return merge_environment(os.environ, dotenv_values(ROOT / ".env", encoding="utf-8"))


def instances(service: str, count: int) -> list[str]:
    """The programs of a service that runs ``count`` times: ``processor``, ``processor-2``, …"""
    return [service, *(f"{service}-{number}" for number in range(2, count + 1))]


def service_of(program: str) -> str:
    """``processor-2`` → ``processor``."""
    return _INSTANCE.sub("", program)


@dataclass(frozen=True)
class Stack:
    """Where one local stack listens and what it writes; everything lies under its data folder.

    ``processors`` share one consumer group and one store; ``prometheus``: whether one watches the stack.
    """

    settings: LocalStackSettings
    processors: int = 1
    prometheus: bool = False

    @property
    def data_dir(self) -> Path:
        return (ROOT / self.settings.data_dir.expanduser()).resolve()

    @property
    def run_dir(self) -> Path:
        return self.data_dir / "run"

    @property
    def logs_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def key_file(self) -> Path:
        given = self.settings.api_keys_file
        return (ROOT / given.expanduser()).resolve() if given else self.data_dir / "api-keys"

    @property
    def facts_file(self) -> Path:
        return self.run_dir / "stack.json"

    @property
    def supervisor_config(self) -> Path:
        return self.run_dir / "supervisord.conf"

    @property
    def supervisor_pid_file(self) -> Path:
        return self.run_dir / "supervisord.pid"

    @property
    def socket(self) -> Path:
        """Under the data folder, or under the temporary folder where that path would be too long."""
        preferred = self.run_dir / "supervisord.sock"
        if len(os.fsencode(preferred)) <= _LONGEST_SOCKET_PATH:
            return preferred
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"live-rag-{os.getuid()}-{digest}" / "supervisord.sock"

    @property
    def api_url(self) -> str:
        host = self.settings.api_host
        if host in _EVERYWHERE:
            host = "127.0.0.1"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.settings.api_port}"

    @property
    def replay_url(self) -> str:
        return f"http://127.0.0.1:{self.settings.replay_port}"

    @property
    def prometheus_url(self) -> str:
        return f"http://127.0.0.1:{self.settings.prometheus_port}"

    @property
    def prometheus_config(self) -> Path:
        return self.run_dir / "prometheus.json"

    @property
    def prometheus_dir(self) -> Path:
        return self.data_dir / "prometheus"

    def own_files(self) -> list[Path]:
        """All that the stack writes."""
        return [self.run_dir, self.logs_dir, self.key_file, *(self.data_dir / name for name in _STATE)]

    def log_file(self, service: str) -> Path:
        return self.logs_dir / f"{service}.log"

    def ports(self, source: str) -> dict[str, tuple[str, int]]:
        """Program → the setting that names its port, and the port; in the order that they start in."""
        settings = self.settings
        ports = {
            "broker": ("KAFKA_BOOTSTRAP_SERVERS", settings.broker_port),
            "replay": ("REPLAY_PORT", settings.replay_port),
            **self._processor_ports(),
            "api": ("API_PORT", settings.api_port),
            "producer": ("PRODUCER_METRICS_PORT", settings.producer_metrics_port),
            "prometheus": ("PROMETHEUS_PORT", settings.prometheus_port),
        }
        absent = {"replay": source != "replay", "prometheus": not self.prometheus}
        return {name: port for name, port in ports.items() if not absent.get(name)}

    def _processor_ports(self) -> dict[str, tuple[str, int]]:
        """The first has the port of the setting, the others the ones after it."""
        setting, first = "PROCESSOR_METRICS_PORT", self.settings.processor_metrics_port
        return {
            name: (f"{setting}+{number}" if number else setting, first + number)
            for number, name in enumerate(instances("processor", self.processors))
        }

    def environment(self, base: Mapping[str, str], source: str) -> dict[str, str]:
        """What supervisord starts with, and so every service."""
        return {
            **base,
            "DATA_DIR": str(self.data_dir),
            "API_KEYS_FILE": str(self.key_file),
            "SOURCE": source,
            "REPLAY_URL": base.get("REPLAY_URL") or self.replay_url,
            STACK_MARKER: str(self.run_dir),
        }

    def facts(self, source: str) -> dict[str, Any]:
        """What other programs may want to know of a running stack (``run/stack.json``)."""
        ports = {name: port for name, (_, port) in self.ports(source).items()}
        return {
            "mode": "local",
            "source": source,
            "data_dir": str(self.data_dir),
            "logs_dir": str(self.logs_dir),
            "key_file": str(self.key_file),
            "ports": ports,
            "urls": {
                "api": self.api_url,
                "docs": f"{self.api_url}/docs",
                **({"replay": self.replay_url} if source == "replay" else {}),
                **({"prometheus": self.prometheus_url} if self.prometheus else {}),
            },
            "metrics": {
                "api": f"{self.api_url}/metrics",
                "producer": f"http://127.0.0.1:{ports['producer']}/metrics",
                **{
                    name: f"http://127.0.0.1:{ports[name]}/metrics"
                    for name in instances("processor", self.processors)
                },
            },
            "scale": {"processor": self.processors},
            "with": ["prometheus"] if self.prometheus else [],
            "supervisor_socket": str(self.socket),
            "settings": self.settings.model_dump(mode="json"),
        }


def thread_counts(cores: int, processors: int = 1) -> dict[str, int]:
    """Threads of one process of each service: embedding gets the cores, shared among the
    processors; the API only what a question needs."""
    return {"processor": max(1, min(cores // processors, 8)), "api": 1 if cores <= 2 else 2}
