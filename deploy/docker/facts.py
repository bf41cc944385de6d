"""``docker/stack.json``: what a stack in containers is, for the scripts and for other programs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.docker.layout import Layout
from deploy.docker.options import Choice, Options
from deploy.docker.ports import published_ports
from deploy.paths import ROOT

_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - recognised, not bound
_URL_NAMES = {"gateway": "api", "grafana": "grafana", "prometheus": "prometheus", "jaeger": "jaeger"}


def stack_facts(
    model: Mapping[str, Any],
    choice: Choice,
    source: str,
    scale: Mapping[str, int],
    options: Options,
    layout: Layout,
    settings: Mapping[str, str],
) -> dict[str, Any]:
    """``model``: the project as Compose understands it."""
    urls = {
        _URL_NAMES[port.service]: f"http://{_host(port.host)}:{port.port}"
        for port in published_ports(model)
        if port.service in _URL_NAMES
    }
    given = settings.get("API_KEYS_FILE")
    key_file = ROOT / Path(given).expanduser() if given else layout.secrets / "api_keys"
    return {
        "mode": "docker",
        "project": model["name"],
        "source": source,
        "llm": choice.llm,
        "profiles": list(choice.profiles),
        "scale": dict(scale),
        "services": sorted(model["services"]),
        "data_dir": str(layout.data_dir),
        "key_file": str(key_file),
        "urls": {**urls, "docs": f"{urls['api']}/docs"},
        "options": options.remembered(),
    }


def _host(host: str) -> str:
    if host in _EVERYWHERE:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
