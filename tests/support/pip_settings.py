"""How pip reaches its packages on this machine, in a form that holds inside an image."""

from __future__ import annotations

import ast
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_OF_THE_NETWORK = (
    "index-url",
    "extra-index-url",
    "proxy",
    "timeout",
    "default-timeout",
    "retries",
    "trusted-host",
)


@dataclass(frozen=True, slots=True)
class PipSettings:
    """The text of a ``pip.conf``, and the certificates that it trusts, PEM."""

    configuration: str
    certificates: bytes


def pip_settings() -> PipSettings:
    """Without folders of this machine: they hold wheels for its own Python, and are not in the image."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    found: dict[str, str] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.rpartition(".")
        # The environment counts more than any file.
        if section == ":env:" or option not in found:
            found[option] = str(ast.literal_eval(value))
    bundle = Path(found.get("cert") or ssl.get_default_verify_paths().cafile or _BUNDLE)
    lines = ["[global]", f"cert = {_BUNDLE}"]
    for option in _OF_THE_NETWORK:
        reachable = [word for word in found.get(option, "").split() if not word.startswith(("file:", "/"))]
        if reachable:
            lines.append(f"{option} = {' '.join(reachable)}")
    return PipSettings("\n".join(lines) + "\n", bundle.read_bytes())
