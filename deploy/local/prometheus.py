"""Prometheus beside a local stack: the program, its command, and the configuration rendered for the ports
that are really used."""

from __future__ import annotations

import glob
import json
import shutil
from typing import Any

from deploy.local.configuration import ROOT, Stack, service_of
from shared.errors import ConfigurationError

RULES = ROOT / "prometheus" / "rules"

_RETENTION = "7d"
_SCRAPE_INTERVAL = "10s"
_SCRAPE_TIMEOUT = "9s"  # an API whose Redis is away answers after REDIS_TIMEOUT_SECONDS
_EXEMPLARS = 100_000  # about 100 bytes each


def prometheus_executable() -> str:
    """The installed ``prometheus``.

    :raises ConfigurationError: there is none.
    """
    found = shutil.which("prometheus")
    if found is None:
        raise ConfigurationError(
            "--with prometheus: no program prometheus is on the PATH; install it (Debian and Ubuntu:"
            " apt-get install prometheus, macOS: brew install prometheus)"
        )
    return found


def prometheus_command(executable: str, stack: Stack) -> list[str]:
    """Listens on loopback only: whoever reaches it reads every metric."""
    return [
        executable,
        f"--config.file={stack.prometheus_config}",
        f"--storage.tsdb.path={stack.prometheus_dir}",
        f"--storage.tsdb.retention.time={_RETENTION}",
        f"--web.listen-address=127.0.0.1:{stack.settings.prometheus_port}",
        "--enable-feature=exemplar-storage",
    ]


def prometheus_config(stack: Stack, source: str) -> str:
    """The same jobs as ``prometheus/prometheus.yml`` has for containers. JSON, which is YAML too.

    Targets are called by their program (``instance="processor-2"``), whatever their port.
    """
    return json.dumps(
        {
            "global": {
                "scrape_interval": _SCRAPE_INTERVAL,
                "scrape_timeout": _SCRAPE_TIMEOUT,
                "evaluation_interval": _SCRAPE_INTERVAL,
            },
            "storage": {"exemplars": {"max_exemplars": _EXEMPLARS}},
            "rule_files": [f"{glob.escape(str(RULES))}/*.yml"],
            "scrape_configs": [
                {"job_name": job, "static_configs": targets} for job, targets in _jobs(stack, source).items()
            ],
        },
        indent=2,
    )


def _jobs(stack: Stack, source: str) -> dict[str, list[dict[str, Any]]]:
    """Job → its targets, each with its own name."""
    addresses = {
        name: url.removeprefix("http://").removesuffix("/metrics")
        for name, url in stack.facts(source)["metrics"].items()
    }
    addresses["prometheus"] = f"127.0.0.1:{stack.settings.prometheus_port}"
    jobs: dict[str, list[dict[str, Any]]] = {}
    for name, address in addresses.items():
        jobs.setdefault(service_of(name), []).append({"targets": [address], "labels": {"instance": name}})
    return jobs
