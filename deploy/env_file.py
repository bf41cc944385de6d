"""``.env`` without any package, for what runs before anything is installed.

The subset of the format on which Compose, python-dotenv and this agree: ``NAME=value``, ``export``, quotes,
comments, and the line endings of Windows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from deploy.paths import ROOT

_LINE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$")
_QUOTED = re.compile(r"""^(?:'([^']*)'|"((?:[^"\\]|\\.)*)")\s*(?:#.*)?$""")
_ESCAPES = {r"\n": "\n", r"\"": '"', r"\\": "\\", r"\$": "$"}


def parse_env(text: str) -> dict[str, str]:
    """Name → value, in the order of the file; a later line wins."""
    found = {}
    for line in text.removeprefix("\ufeff").splitlines():
        if line.lstrip().startswith("#") or (match := _LINE.match(line)) is None:
            continue
        found[match[1]] = _value(match[2])
    return found


def _value(raw: str) -> str:
    quoted = _QUOTED.match(raw)
    if quoted is None:
        return re.sub(r"(^|\s+)#.*$", "", raw)
    if quoted[1] is not None:
        return quoted[1]
    return re.sub(r"\\.", lambda escape: _ESCAPES.get(escape[0], escape[0]), quoted[2])


def read_env_file(path: Path) -> dict[str, str]:
    """Nothing where there is no such file."""
    try:
        return parse_env(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def read_settings(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a user has set: the environment, over ``.env`` of the project."""
    return {**read_env_file(ROOT / ".env"), **(os.environ if environment is None else environment)}


def data_dir(settings: Mapping[str, str]) -> Path:
    """``DATA_DIR``, relative to the project."""
    return (ROOT / Path(settings.get("DATA_DIR") or "./data").expanduser()).resolve()
