"""Grafana's published schema of dashboards, as ``./test.sh`` puts it into ``.venv``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft7Validator

from deploy.local.configuration import ROOT

Json = dict[str, Any]

SCHEMAS = ROOT / ".venv" / "grafana-schema" / "schemas.json"
UNPUBLISHED = frozenset({"alertlist"})
"""Plugins whose options Grafana's package has no types of."""


def faults(dashboard: Json) -> list[str]:
    """Where ``dashboard`` is not what Grafana's types say, with the reason; the test skips without them."""
    return [
        *_faults("Dashboard", dashboard, "dashboard"),
        *(
            fault
            for number, panel in enumerate(dashboard["panels"])
            for fault in _panel_faults(panel, f"panels[{number}]")
        ),
    ]


def _panel_faults(panel: Json, where: str) -> Iterator[str]:
    # The schema says "a panel or a row", of which a fault in the one reads as a fault in the other.
    if panel["type"] == "row":
        yield from _faults("Row", panel, where)
        return
    yield from _faults("Panel", panel, where)
    if panel["type"] in UNPUBLISHED:
        return
    plugin = str(panel["type"]).capitalize()
    yield from _faults(f"{plugin}Options", panel["options"], f"{where}.options")
    custom = panel.get("fieldConfig", {}).get("defaults", {}).get("custom")
    if custom is not None:
        yield from _faults(f"{plugin}Field", custom, f"{where}.fieldConfig.defaults.custom")


def _faults(name: str, value: Json, where: str) -> Iterator[str]:
    for error in Draft7Validator(_schemas()[name]).iter_errors(value):
        yield f"{where}{error.json_path[1:]}: {error.message}"


@cache
def _schemas() -> dict[str, Json]:
    if not SCHEMAS.exists():
        pytest.skip(
            f"{SCHEMAS.relative_to(ROOT)} is not there: ./test.sh makes it where Node.js (npm) is installed"
        )
    schemas: dict[str, Json] = json.loads(SCHEMAS.read_text())
    return schemas
