"""Reads data sources and dashboards as Grafana does at its start: a fault in a file ends the start."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Settings = dict[str, Any]


class UnusableProvisioning(Exception):
    """Names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Provisioned:
    """Both by their uid; a dashboard as it stands in its file."""

    datasources: dict[str, Settings] = field(default_factory=dict)
    dashboards: dict[str, Settings] = field(default_factory=dict)


def read_provisioning(folder: Path) -> Provisioned:
    """:raises UnusableProvisioning: a file cannot be read, or a uid is missing or there twice."""
    found = Provisioned()
    for document in _documents(folder / "datasources"):
        for datasource in document.get("datasources") or []:
            _add(found.datasources, datasource, "datasources")
    for document in _documents(folder / "dashboards"):
        for provider in document.get("providers") or []:
            path = Path(provider["options"]["path"])
            files = sorted(path.rglob("*.json"))
            if not files:
                raise UnusableProvisioning(f"{path}: no dashboards are there, or they cannot be read")
            for file in files:
                _add(found.dashboards, _parsed(file), str(file))
    return found


def _documents(folder: Path) -> list[Settings]:
    if not folder.is_dir():
        raise UnusableProvisioning(f"{folder} is not there, or cannot be read")
    return [
        yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        for file in sorted(folder.iterdir())
        if file.suffix in (".yaml", ".yml")
    ]


def _parsed(file: Path) -> Settings:
    try:
        board: Settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnusableProvisioning(f"{file}: {error}") from None
    return board


def _add(known: dict[str, Settings], item: Settings, where: str) -> None:
    uid = item.get("uid") or (item.get("metadata") or {}).get("name")
    if not uid or uid in known:
        raise UnusableProvisioning(f"{where}: uid {uid!r} is missing or taken")
    known[uid] = item
