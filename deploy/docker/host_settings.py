"""Settings that Compose itself reads, so that no container could tell what is wrong with them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

PORTS = ("API_PORT", "GRAFANA_PORT", "PROMETHEUS_PORT", "JAEGER_PORT")
SIZES = (
    "KAFKA_HEAP",
    "REDIS_MAXMEMORY",
    "KAFKA_MEMORY",
    "REDIS_MEMORY",
    "PRODUCER_MEMORY",
    "PROCESSOR_MEMORY",
    "API_MEMORY",
    "GATEWAY_MEMORY",
    "REPLAY_MEMORY",
    "OLLAMA_MEMORY",
    "PROMETHEUS_MEMORY",
    "GRAFANA_MEMORY",
    "JAEGER_MEMORY",
    "EXPORTER_MEMORY",
)

_SIZE = re.compile(r"[1-9]\d*[kmg]")
_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]*")


def host_setting_problems(settings: Mapping[str, str]) -> list[str]:
    """A line for each wrong one; empty means not set."""
    given = {name: value.strip() for name, value in settings.items() if value.strip()}
    problems = [
        f"{name}={given[name]}: a port from 1 to 65535 is needed"
        for name in PORTS
        if name in given and not (given[name].isdecimal() and 1 <= int(given[name]) <= 65_535)
    ]
    problems += [
        f"{name}={given[name]}: a size such as 512m or 2g is needed"
        for name in SIZES
        if name in given and not _SIZE.fullmatch(given[name])
    ]
    for name, form, what in (
        ("LIVE_RAG_VERSION", _VERSION, "a tag of an image, such as 0.1.0"),
        ("COMPOSE_PROJECT_NAME", _PROJECT, "lower-case letters, digits, - and _ are allowed"),
    ):
        if name in given and not form.fullmatch(given[name]):
            problems.append(f"{name}={given[name]}: {what}")
    return problems
