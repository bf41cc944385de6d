"""What the dashboards rest on: every series is scraped, every trace arrives, every data source answers."""

from __future__ import annotations

import json
from typing import Any

import httpx

from services.replay.story import stories
from tests.support.compose_stack import ComposeStack
from tests.support.engine_images import ROOT
from tests.support.prometheus import PrometheusClient

_JOBS = {"api", "producer", "processor", "redis", "kafka", "jaeger", "prometheus"}


def _prometheus(stack: ComposeStack) -> PrometheusClient:
    return PrometheusClient(stack.facts["urls"]["prometheus"])


def test_prometheus_scrapes_everything(stack: ComposeStack) -> None:
    prometheus = _prometheus(stack)
    stack.wait(lambda: {target["health"] for target in prometheus.targets()} == {"up"}, "every target is up")
    assert {target["labels"]["job"] for target in prometheus.targets()} == _JOBS
    assert len(prometheus.rules()) > 10
    stack.wait(lambda: _value(prometheus, "redis_up") == 1, "the exporter of Redis gets in")
    stack.wait(lambda: _value(prometheus, "kafka_brokers") == 1, "the exporter of Kafka gets in")


def _value(prometheus: PrometheusClient, expression: str) -> float | None:
    found = prometheus.query(expression)
    return float(found[0]["value"][1]) if found else None


def test_a_question_and_an_edit_leave_traces(stack: ComposeStack) -> None:
    def services() -> set[str]:
        found = httpx.get(f"{stack.facts['urls']['jaeger']}/api/services", trust_env=False).json()["data"]
        return set(found)

    published: dict[str, int] = stack.replay("GET", "/replay/status")["story_steps"]
    story = next(item for item in stories() if published.get(item.story_id, 0) < len(item.steps))
    stack.publish(story.story_id, published.get(story.story_id, 0) + 1)
    stack.ask(story.question)
    stack.wait(lambda: {"producer", "processor", "api"} <= services(), "traces of all three services")


def test_grafana_has_the_boards_and_reaches_its_data_sources(stack: ComposeStack) -> None:
    login = ("admin", stack.secret("grafana_admin_password"))
    with httpx.Client(
        base_url=stack.facts["urls"]["grafana"], auth=login, trust_env=False, timeout=30
    ) as grafana:
        boards = {board["uid"] for board in _get(grafana, "/api/search")}
        assert boards == {_uid(file.read_text()) for file in (ROOT / "grafana" / "dashboards").glob("*.json")}
        answer = _get(grafana, "/api/datasources/proxy/uid/prometheus/api/v1/query?query=up")
        assert answer["data"]["result"]
        assert _get(grafana, "/api/datasources/proxy/uid/jaeger/api/services")["data"]


def _uid(text: str) -> str:
    board = json.loads(text)
    return str(board.get("uid") or board["metadata"]["name"])


def _get(client: httpx.Client, path: str) -> Any:
    response = client.get(path)
    assert response.status_code == 200, (path, response.text)
    return response.json()
