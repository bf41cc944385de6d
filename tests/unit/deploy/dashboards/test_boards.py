"""What every board and panel has, read from the JSON that Grafana reads."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any

import pytest

from deploy.dashboards.boards import BOARDS
from deploy.dashboards.files import written
from deploy.dashboards.model import Advice, Board, Kind, Limits, Panel, Query, Row
from deploy.dashboards.render import dashboard
from deploy.local.configuration import ROOT
from tests.support.known_series import known_series
from tests.support.parsed_promql import selectors

Json = dict[str, Any]

DASHBOARDS = [dashboard(board) for board in BOARDS]
QUERIED = [(each["uid"], panel) for each in DASHBOARDS for panel in each["panels"] if "targets" in panel]

each_dashboard = pytest.mark.parametrize("board", DASHBOARDS, ids=[each["uid"] for each in DASHBOARDS])
each_panel = pytest.mark.parametrize(
    "panel", [panel for _, panel in QUERIED], ids=[f"{uid}: {panel['title']}" for uid, panel in QUERIED]
)


def test_what_is_committed_is_what_the_code_makes() -> None:
    different = [
        str(path)
        for path, content in written(BOARDS).items()
        if not (ROOT / path).exists() or (ROOT / path).read_text(encoding="utf-8") != content
    ]
    assert not different, "run `python -m deploy.dashboards` and commit what it writes"


def test_nothing_else_is_committed_there() -> None:
    made = {ROOT / path for path in written(BOARDS)}
    there = {*(ROOT / "grafana" / "dashboards").iterdir(), *(ROOT / "docs" / "dashboards").iterdir()}
    assert there <= made


def test_there_are_five_with_uids_of_their_own() -> None:
    assert [each["uid"] for each in DASHBOARDS] == [
        "live-rag-overview",
        "live-rag-ask",
        "live-rag-llm",
        "live-rag-pipeline",
        "live-rag-infrastructure",
    ]


@each_dashboard
def test_panel_ids_are_unique(board: Json) -> None:
    assert max(Counter(panel["id"] for panel in board["panels"]).values()) == 1


@each_dashboard
def test_titles_are_unique(board: Json) -> None:
    assert max(Counter(panel["title"] for panel in board["panels"]).values()) == 1


@each_dashboard
def test_panels_lie_inside_the_grid_and_on_nothing_else(board: Json) -> None:
    places = [panel["gridPos"] for panel in board["panels"]]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 and place["h"] > 0 for place in places)
    assert not [
        (one, other)
        for one, other in combinations(places, 2)
        if one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    ]


@each_dashboard
def test_it_opens_on_15_minutes_with_alerts_and_ways_to_the_others_and_to_the_docs(board: Json) -> None:
    assert board["time"] == {"from": "now-15m", "to": "now"}
    assert [panel["type"] for panel in board["panels"]].count("alertlist") == 1
    assert [(link["type"], link["tags"]) for link in board["links"]] == [("dashboards", board["tags"])]
    (text,) = [panel["options"]["content"] for panel in board["panels"] if panel["type"] == "text"]
    assert "docs/dashboards.md" in text
    assert "docs/runbook/" in text


@each_dashboard
def test_its_variables_are_all_used_and_used_ones_are_there(board: Json) -> None:
    text = str(board["panels"])
    declared = {variable["name"] for variable in board["templating"]["list"]}
    assert {name for name in declared if f"${name}" in text} == declared
    assert "$" not in _without(text, [*declared, "__rate_interval", "__range"])


def _without(text: str, names: list[str]) -> str:
    for name in names:
        text = text.replace(f"${name}", "")
    return text


@each_panel
def test_a_panel_says_what_to_make_of_it(panel: Json) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    assert panel["title"]
    assert defaults["unit"]
    shows, normal, otherwise = panel["description"].split("\n\n")
    assert shows.endswith(".")
    assert len(normal) > len("**Normal:** x")
    assert len(otherwise) > len("**Otherwise:** x")
    first, *further = defaults["thresholds"]["steps"]
    assert first["value"] is None
    assert [step["value"] for step in further] == sorted(step["value"] for step in further)


@each_panel
def test_it_asks_the_provisioned_prometheus(panel: Json) -> None:
    sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert all(source == {"type": "prometheus", "uid": "prometheus"} for source in sources)
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references)


@each_panel
def test_latency_leads_to_traces(panel: Json) -> None:
    """One query of a panel asks for exemplars where there are any, and only then."""
    asking = [target["exemplar"] for target in panel["targets"]].count(True)
    names = {item.name for target in panel["targets"] for item in selectors(_ready(target["expr"]))}
    has_latency = panel["fieldConfig"]["defaults"]["unit"] == "s" and any(
        name.endswith("_bucket") and known_series()[name].has_exemplars for name in names
    )
    assert asking == (1 if has_latency else 0)


def _ready(expression: str) -> str:
    return expression.replace("$__rate_interval", "1m").replace("$__range", "1m")


def test_limits_where_small_is_bad_turn_green_upwards() -> None:
    def colors(limits: Limits | None) -> list[str]:
        panel = _panel(limits=limits)
        board = Board("uid", "title", "purpose", (Row("row", (panel,)),))
        steps = dashboard(board)["panels"][-1]["fieldConfig"]["defaults"]["thresholds"]["steps"]
        return [step["color"] for step in steps]

    assert colors(Limits(warn=0.9, bad=0.5)) == ["red", "yellow", "green"]
    assert colors(Limits(warn=5, bad=10)) == ["green", "yellow", "red"]
    assert colors(None) == ["green"]


def test_limits_that_never_warn_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing would ever only warn"):
        Limits(warn=1, bad=1)


def test_a_panel_without_a_query_is_refused() -> None:
    with pytest.raises(ValueError, match="panel 'title' has no query"):
        _panel(queries=())


def test_a_panel_wider_than_the_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="25 columns wide"):
        _panel(width=25)


def _panel(
    *, limits: Limits | None = None, queries: tuple[Query, ...] = (Query("up", "{{job}}"),), width: int = 8
) -> Panel:
    advice = Advice("Shows.", "normal.", "otherwise.")
    return Panel(Kind.STAT, "title", "short", advice, queries, limits=limits, width=width)
