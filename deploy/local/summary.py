"""What a user needs to know of a running stack."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.paths import ROOT, display_path


def summary(facts: Mapping[str, Any], key: str) -> str:
    """``facts`` as in ``run/stack.json``."""
    urls, body = facts["urls"], json.dumps({"question": facts["question"]}, ensure_ascii=False)
    data_dir = Path(facts["data_dir"])
    this = "" if data_dir == ROOT / "data" else f"DATA_DIR={shlex.quote(str(data_dir))} "
    others = [name for name in facts["ports"] if name != "api"]
    lines = [
        f"  page      {urls['api']}/",
        f"  API docs  {urls['docs']}",
        *(f"  metrics   {url}  ({name})" for name, url in facts["metrics"].items()),
        *([f"  alerts    {urls['prometheus']}/alerts  (Prometheus)"] if "prometheus" in urls else []),
        f"  API key   {key}   (in {display_path(facts['key_file'])})",
        "",
        "Ask it something:",
        f"  curl -s {urls['api']}/v1/ask -H 'Authorization: Bearer {key}' \\",
        f"    -H 'Content-Type: application/json' -d {shlex.quote(body)}",
        "",
        f"Check it:    {this}./test.sh",
        f"Follow logs: {this}./logs.sh api   (or {', '.join(others)})",
        f"Stop it:     {this}./stop.sh   (--clean also removes its data)",
    ]
    return "\n".join(lines)
