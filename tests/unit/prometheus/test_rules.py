"""What is written in the rules; that they do what they say is for promtool (tests/integration)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from deploy.dashboards.boards import BOARDS
from tests.support.alert_rules import RUNBOOK, alerts, case_files, groups, read_yaml, recorded, rules
from tests.support.known_series import Series, known_series
from tests.support.parsed_promql import selectors

ALERTS = {alert["alert"]: alert for alert in alerts()}
ALWAYS_FIRES = "Watchdog"
OF_PROMETHEUS = {
    name: Series({"job": (), "instance": ()})
    for name in (
        "prometheus_tsdb_compactions_failed_total",
        "prometheus_tsdb_head_truncations_failed_total",
        "prometheus_tsdb_wal_writes_failed_total",
    )
}

each_alert = pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)
each_case_file = pytest.mark.parametrize("path", case_files(), ids=lambda path: path.stem)


def test_names_are_given_once() -> None:
    names = [rule.get("alert", rule.get("record")) for rule in rules()]
    assert len(names) == len(set(names))
    group_names = [group["name"] for group in groups()]
    assert len(group_names) == len(set(group_names))  # the order of groups in promtool's cases goes by them


@each_alert
def test_an_alert_says_how_urgent_it_is(alert: dict[str, Any]) -> None:
    allowed = {"none"} if alert["alert"] == ALWAYS_FIRES else {"page", "ticket"}
    assert alert["labels"].keys() == {"severity"}
    assert alert["labels"]["severity"] in allowed


@each_alert
def test_an_alert_says_what_is_wrong_how_much_and_where_to_look(alert: dict[str, Any]) -> None:
    annotations = alert["annotations"]
    assert annotations.keys() == {"summary", "description", "runbook_url", "dashboard"}
    assert not annotations["summary"].endswith(".")
    assert annotations["description"].endswith(".")
    assert "$value" in annotations["description"] or re.search(r"\d", annotations["description"])
    assert annotations["runbook_url"] == f"docs/runbook/{alert['alert']}.md"
    assert annotations["dashboard"] in {board.uid for board in BOARDS}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert", rule.get("record")))
def test_a_rule_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    series = {**known_series(), **OF_PROMETHEUS, **{name: Series({}) for name in recorded()}}
    for selector in selectors(rule["expr"]):
        assert selector.name in series, f"no metric {selector.name}"
        if selector.name == "ALERTS":
            continue
        labels = series[selector.name].labels
        for matcher in selector.matchers.matchers:
            assert matcher.name in labels, f"{selector.name} has no label {matcher.name}"
            values = (*labels[matcher.name], "")
            assert len(values) == 1 or any(re.fullmatch(matcher.value, value) for value in values), (
                f"{selector.name}: {matcher.name} is never {matcher.value}"
            )


@each_alert
def test_what_silences_an_alert_is_an_alert(alert: dict[str, Any]) -> None:
    named = {
        name
        for selector in selectors(alert["expr"])
        if selector.name == "ALERTS"
        for matcher in selector.matchers.matchers
        if matcher.name == "alertname"
        for name in matcher.value.split("|")
    }
    assert named <= ALERTS.keys() - {alert["alert"]}


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent() -> None:
    expectations = [
        (check["alertname"], bool(check.get("exp_alerts")))
        for path in case_files()
        for case in read_yaml(path)["tests"]
        for check in case.get("alert_rule_test", ())
    ]
    assert {name for name, fires in expectations if fires} == ALERTS.keys()
    assert {name for name, fires in expectations if not fires} == ALERTS.keys() - {ALWAYS_FIRES}


@each_case_file
def test_cases_evaluate_all_groups_in_a_known_order(path: Any) -> None:
    assert sorted(read_yaml(path)["group_eval_order"]) == sorted(group["name"] for group in groups())


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    pages = {path.stem for path in RUNBOOK.glob("*.md")} - {"README"}
    assert pages == ALERTS.keys()


@each_alert
def test_a_page_tells_what_it_means_what_to_look_at_and_what_to_do(alert: dict[str, Any]) -> None:
    text = (RUNBOOK / f"{alert['alert']}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ .*$", text, re.MULTILINE)
    assert headings == [f"# {alert['alert']}", "## What it means", "## What to look at", "## What to do"]
    (severity,) = re.findall(r"^Severity: (\w+)", text, re.MULTILINE)
    assert severity == alert["labels"]["severity"]
    linked = re.findall(r"\]\((\w+)\.md", text)
    assert set(linked) <= ALERTS.keys() | {"README"}


def test_the_index_lists_every_page_once_with_its_severity() -> None:
    text = (RUNBOOK / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| (\w+) \| \S.*\|$", text, re.MULTILINE)
    assert sorted(listed) == sorted(
        (name, name, alert["labels"]["severity"]) for name, alert in ALERTS.items()
    )
