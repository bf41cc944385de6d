"""``docker-compose.yml`` as Compose itself reads it; no engine is needed for that."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from deploy.local.configuration import ROOT

COMPOSE_FILE = ROOT / "docker-compose.yml"
PROFILES = ("gpu", "observability", "ollama", "replay")
ALWAYS = {"api", "gateway", "kafka", "kafka-topics", "processor", "producer", "redis"}
OURS = ("api", "kafka-topics", "processor", "producer", "replay")

_UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}


def read_compose(
    profiles: tuple[str, ...] = PROFILES, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The whole project with these variables, and no others, nor a ``.env``."""
    config: dict[str, Any] = json.loads(_read(profiles, tuple(sorted((environment or {}).items()))))
    return config


def services(
    profiles: tuple[str, ...] = PROFILES, environment: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = read_compose(profiles, environment)["services"]
    return found


def given(service: Mapping[str, Any]) -> dict[str, str]:
    """The environment that a container gets: without what is neither in the file nor in the environment."""
    return {name: value for name, value in service["environment"].items() if value is not None}


def env_file(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", path.read_text("utf-8"), re.MULTILINE))


def bytes_of(text: str) -> int:
    """``512m`` → 536870912."""
    number, unit = re.fullmatch(r"(\d+)([bkmg]?)b?", text.lower()).groups()  # type: ignore[union-attr]
    return int(number) * _UNITS[unit]


def seconds_of(text: str) -> int:
    """``1m30s`` → 90."""
    parts = re.findall(r"(\d+)([hms])", text)
    return sum(int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in parts)


@cache
def _read(profiles: tuple[str, ...], environment: tuple[tuple[str, str], ...]) -> str:
    """Variables come from a file, because Compose obeys some itself (``OTEL_…``) where they are its own."""
    found = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "variables.env"
        file.write_text("".join(f"{name}='{value}'\n" for name, value in environment), "utf-8")
        command = [
            str(Path(sysconfig.get_path("scripts")) / "docker-compose"),
            *("--project-directory", str(ROOT), "--file", str(COMPOSE_FILE), "--env-file", str(file)),
            *(word for profile in profiles for word in ("--profile", profile)),
            *("config", "--format", "json"),
        ]
        done = subprocess.run(command, env=found, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return done.stdout
