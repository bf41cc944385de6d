"""The boards by the types that Grafana publishes for the version that we run."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.local.configuration import ROOT
from tests.support.grafana_schema import faults

Json = dict[str, Any]

FILES = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))


def _read(path: Path) -> Json:
    found: Json = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_board_is_valid(path: Path) -> None:
    assert faults(_read(path)) == []


def _of(board: Json, plugin: str) -> Json:
    found: Json = next(panel for panel in board["panels"] if panel["type"] == plugin)
    return found


def _defaults(board: Json) -> Json:
    defaults: Json = _of(board, "timeseries")["fieldConfig"]["defaults"]
    return defaults


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda board: board.update(nonsense=1), "'nonsense' was unexpected"),
        (lambda board: board.update(time="now-15m"), "'now-15m' is not of type 'object'"),
        (lambda board: board.pop("schemaVersion"), "'schemaVersion' is a required property"),
        (lambda board: _of(board, "row").update(targets=[]), "'targets' was unexpected"),
        (lambda board: _of(board, "stat").update(unit="s"), "'unit' was unexpected"),
        (lambda board: _of(board, "stat")["options"].update(colorMode="loud"), "'loud' is not one of"),
        (lambda board: _of(board, "stat")["options"].pop("textMode"), "'textMode' is a required property"),
        (lambda board: _of(board, "text")["options"].update(mode="md"), "'md' is not one of"),
        (lambda board: _defaults(board)["thresholds"].update(mode="x"), "'x' is not one of"),
        (lambda board: _defaults(board)["custom"].update(drawStyle="arc"), "'arc' is not one of"),
        (lambda board: _defaults(board)["custom"].update(width=3), "'width' was unexpected"),
    ],
)
def test_a_damaged_board_is_not(damage: Callable[[Json], object], complaint: str) -> None:
    board = copy.deepcopy(_read(ROOT / "grafana" / "dashboards" / "overview.json"))
    damage(board)
    assert any(complaint in fault for fault in faults(board)), faults(board)
