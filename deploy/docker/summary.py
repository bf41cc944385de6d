"""What a user needs to know of a stack in containers."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.docker.layout import Layout
from deploy.paths import ROOT, display_path


def summary(facts: Mapping[str, Any], key: str | None, layout: Layout) -> str:
    """``facts`` as in ``docker/stack.json``. ``key``: the API key where secrets may be shown; otherwise only
    where they lie is said."""
    urls, key_file = facts["urls"], display_path(facts["key_file"])
    password = layout.secrets / "grafana_admin_password"
    this = "" if layout.data_dir == ROOT / "data" else f"DATA_DIR={shlex.quote(str(layout.data_dir))} "
    body = json.dumps({"question": facts.get("question", "What has just changed?")}, ensure_ascii=False)
    reading = key or f"$(grep -v '^#' {shlex.quote(key_file)})"
    lines = [
        f"  page       {urls['api']}/",
        f"  API docs   {urls['docs']}",
        *([f"  dashboards {urls['grafana']}/   (user admin)"] if "grafana" in urls else []),
        *([f"  alerts     {urls['prometheus']}/alerts"] if "prometheus" in urls else []),
        *([f"  traces     {urls['jaeger']}/"] if "jaeger" in urls else []),
        f"  API key    {key or f'in {key_file}'}",
        *(
            [f"  password   {_secret(password, show=key is not None)}   (Grafana)"]
            if "grafana" in urls
            else []
        ),
        *([] if key else ["             ./start.sh --docker --show-credentials prints both"]),
        "",
        "Ask it something:",
        f'  curl -s {urls["api"]}/v1/ask -H "Authorization: Bearer {reading}" \\',
        f"    -H 'Content-Type: application/json' -d {shlex.quote(body)}",
        "",
        f"Check it:    {this}./test.sh",
        f"Follow logs: {this}./logs.sh api   (or another of: {', '.join(facts['services'])})",
        f"Stop it:     {this}./stop.sh   (its data stay; --clean removes them too)",
    ]
    return "\n".join(lines)


def _secret(path: Path, *, show: bool) -> str:
    return path.read_text(encoding="utf-8").strip() if show else f"in {display_path(path)}"
