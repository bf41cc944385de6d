"""A board as the JSON that Grafana 13.2 reads (its classic model, schema version 42)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from string import ascii_uppercase

from deploy.dashboards.layout import COLUMNS, Place, places
from deploy.dashboards.model import Board, Kind, Panel, Query, Variable
from deploy.dashboards.plugins import Json, alert_list, field_config, options, text

SCHEMA_VERSION = 42
TAG = "live-rag"
PROMETHEUS: Json = {"type": "prometheus", "uid": "prometheus"}

_HEAD = 5
"""Height of what stands at the top of every board."""


def as_text(board: Board) -> str:
    """What is committed: the same board gives the same bytes."""
    return json.dumps(dashboard(board), indent=2, ensure_ascii=False) + "\n"


def dashboard(board: Board) -> Json:
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.purpose,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-15m", "to": "now"},
        "timezone": "browser",
        "links": [_other_boards()],
        "templating": {"list": [_variable(variable) for variable in board.variables]},
        "panels": [{"id": number, **panel} for number, panel in enumerate(_panels(board), start=1)],
    }


def _panels(board: Board) -> Iterator[Json]:
    half = COLUMNS // 2
    yield {
        **_frame("text", "About this board", board.purpose, Place(0, 0, half, _HEAD)),
        "options": text(board),
    }
    yield {
        **_frame(
            "alertlist",
            "Alerts",
            "What fires or is about to. Each alert has a page in docs/runbook that says what to do.",
            Place(half, 0, half, _HEAD),
        ),
        "options": alert_list(),
    }
    top = _HEAD
    for row in board.rows:
        yield {
            "type": "row",
            "title": row.title,
            "gridPos": asdict(Place(0, top, COLUMNS, 1)),
            "collapsed": False,
            "panels": [],
        }
        placed = list(places(row.panels, top + 1))
        for panel, place in placed:
            yield _panel(panel, place)
        top = max(place.y + place.h for _, place in placed)


def _panel(panel: Panel, place: Place) -> Json:
    return {
        **_frame(panel.kind, panel.title, str(panel.advice), place),
        "datasource": PROMETHEUS,
        "options": options(panel),
        "fieldConfig": field_config(panel),
        "targets": [_target(query, number, panel) for number, query in enumerate(panel.queries)],
    }


def _frame(plugin: str, title: str, description: str, place: Place) -> Json:
    return {"type": str(plugin), "title": title, "description": description, "gridPos": asdict(place)}


def _target(query: Query, number: int, panel: Panel) -> Json:
    now_only = panel.kind is Kind.BARS
    return {
        "refId": ascii_uppercase[number],
        "datasource": PROMETHEUS,
        "expr": query.expr,
        "legendFormat": query.legend,
        "editorMode": "code",
        "format": "heatmap" if panel.kind is Kind.HEATMAP else "time_series",
        "exemplar": query.exemplars,
        "instant": now_only,
        "range": not now_only,
    }


def _other_boards() -> Json:
    return {
        "type": "dashboards",
        "title": "Boards",
        "tooltip": "The other boards, over the same time",
        "icon": "external link",
        "tags": [TAG],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": True,
        "targetBlank": False,
        "url": "",
    }


def _variable(variable: Variable) -> Json:
    return {
        "type": "query",
        "name": variable.name,
        "label": variable.title,
        "datasource": PROMETHEUS,
        "query": {
            "query": f"label_values({variable.metric},{variable.label})",
            "refId": "values",
        },
        "refresh": 1,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }
