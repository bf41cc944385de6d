"""Every query of every panel: it parses, what it names is declared, and it answers on a quiet system."""

from __future__ import annotations

import re

import promql_parser
import pytest

from deploy.dashboards.boards import BOARDS
from deploy.dashboards.catalogue import queries
from deploy.dashboards.model import PanelQuery
from deploy.local.configuration import ROOT
from tests.support.known_series import known_series
from tests.support.parsed_promql import grouping, nodes, parsed, selectors

QUERIES = list(queries())
ALWAYS_THERE = frozenset(
    {
        "up",
        "scrape_duration_seconds",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_open_fds",
        "process_max_fds",
        "prometheus_tsdb_head_series",
        "rag_request_duration_seconds_bucket",
    }
)
"""What a Prometheus that scrapes an api has, so that it needs no substitute."""
WINDOWS = {"5m": "5 minutes", "10m": "10 minutes", "1h": "1 hour", "6h": "6 hours", "30d": "30 days"}

each_query = pytest.mark.parametrize(
    "query", QUERIES, ids=[f"{query.board}: {query.panel}: {number}" for number, query in enumerate(QUERIES)]
)


def _complaints(expression: str) -> list[str]:
    """What of the names, labels and label values in it nobody declares."""
    found = []
    for selector in selectors(expression):
        series = known_series().get(selector.name)
        if series is None:
            found.append(f"no metric {selector.name}")
            continue
        for matcher in selector.matchers.matchers:
            if matcher.name not in series.labels:
                found.append(f"{selector.name} has no label {matcher.name}")
                continue
            values = series.labels[matcher.name]
            named = _wanted(matcher)
            if values and not any(re.fullmatch(named, value) for value in (*values, "")):
                found.append(f"{selector.name}: {matcher.name} is never {matcher.value}")
    every_label = {label for selector in selectors(expression) for label in _labels(selector.name)}
    found += [f"groups by {label}, which nothing in it has" for label in grouping(expression) - every_label]
    return found


def _wanted(matcher: promql_parser.Matcher) -> str:
    exact = matcher.op in (promql_parser.MatchOp.Equal, promql_parser.MatchOp.NotEqual)
    return re.escape(matcher.value) if exact else str(matcher.value)


def _labels(name: str) -> frozenset[str]:
    series = known_series().get(name)
    return frozenset(series.labels) if series else frozenset()


@each_query
def test_it_names_only_what_is_declared(query: PanelQuery) -> None:
    assert _complaints(query.ready()) == []


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("rag_no_such_thing", "no metric rag_no_such_thing"),
        ("rag_request_duration_seconds", "no metric rag_request_duration_seconds"),
        ('rag_requests_total{reason="error"}', "rag_requests_total has no label reason"),
        ('rag_requests_total{outcome="errors"}', "rag_requests_total: outcome is never errors"),
        (
            'rag_request_duration_seconds_bucket{le="10"}',
            "rag_request_duration_seconds_bucket: le is never 10",
        ),
        ("sum by (stage) (rag_requests_total)", "groups by stage, which nothing in it has"),
        (
            'up{job=~"proc.*r|x"} / rag_requests_total{job="nobody"}',
            "rag_requests_total: job is never nobody",
        ),
    ],
)
def test_what_is_not_declared_is_noticed(expression: str, complaint: str) -> None:
    assert _complaints(expression) == [complaint]


@each_query
def test_its_legend_names_labels_that_its_answer_has(query: PanelQuery) -> None:
    (legend,) = {
        item.legend
        for board in BOARDS
        for panel in board.panels()
        for item in panel.queries
        if (board.uid, panel.title, item.expr) == (query.board, query.panel, query.expr)
    }
    kept = grouping(query.expr.replace("$__rate_interval", "1m").replace("$__range", "1m"))
    aggregated = any(isinstance(node, promql_parser.AggregateExpr) for node in nodes(parsed(query.ready())))
    named = set(re.findall(r"{{(\w+)}}", legend))
    assert named <= (kept if aggregated else _labels(selectors(query.ready())[0].name)), legend
    assert legend


@each_query
def test_it_answers_while_nothing_happens(query: PanelQuery) -> None:
    """Nothing of ours may be there yet, and nothing divided by nothing is NaN."""
    expression = query.ready()
    names = {selector.name for selector in selectors(expression)}
    assert names <= ALWAYS_THERE or "or on() vector(" in expression
    # A gauge as the divisor is there with a value or not at all; a rate is there with 0.
    may_be_nan = "histogram_quantile" in expression or re.search(r"/ \(?sum", expression)
    assert not may_be_nan or ">= 0" in expression


@each_query
def test_rates_are_over_the_interval_or_the_title_names_the_window(query: PanelQuery) -> None:
    windows = set(re.findall(r"\[(\$__\w+|\d+[a-z])\]", query.expr)) - {"$__rate_interval"}
    named = {window for window, name in WINDOWS.items() if name in query.panel}
    assert windows <= named | {"$__range"}, f"{query.panel}: {windows - named}"


def test_ready_leaves_no_variable_of_grafana() -> None:
    assert not [query for query in QUERIES if "$" in query.ready()]
    query = PanelQuery("board", "panel", 'rate(x{job=~"$job"}[$__rate_interval])', ("job",))
    assert query.ready("30s") == 'rate(x{job=~".*"}[30s])'


def test_alerts_that_panels_name_exist() -> None:
    rules = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "prometheus" / "rules").glob("*.yml")
    )
    alerts = set(re.findall(r"alert: (\w+)", rules))
    named = {
        word
        for board in BOARDS
        for panel in board.panels()
        for word in re.findall(r"\b(?:[A-Z][a-z]+|LLM)[A-Z][A-Za-z]+\b", panel.advice.otherwise)
    }
    assert len(named) > 10
    assert named <= alerts
