"""Every panel of every dashboard, asked of a real Prometheus that has watched the real stack at work."""

from __future__ import annotations

import contextlib
import json
import math
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from confluent_kafka import Producer
from httpx_sse import EventSource, ServerSentEvent

from bench.stack import RunningStack, started_stack
from deploy.dashboards.catalogue import queries
from deploy.dashboards.model import PanelQuery
from deploy.dashboards.promql import quantile
from deploy.local.configuration import Stack
from deploy.local.prometheus import prometheus_config
from deploy.local.settings import LocalStackSettings
from services.replay.story import stories
from tests.support.processes import wait_until
from tests.support.prometheus import PrometheusClient, prometheus_program, running_prometheus

TIMEOUT = 60.0
WINDOW = "5m"
"""Longer than the test, so that nothing it does has left the window when the last panel is asked."""

ITS_SUBSTITUTE = re.compile(r"( or 0 \* .+)? or on\(\) vector\([\d.]+\)")
"""What a query says of a system that is quiet, or not there at all."""

UNSEEN_WHILE_ALL_IS_WELL = {
    "Alerts firing",  # none of that severity
    "Time to load the model",  # loaded before anybody watched
}
ZERO_WHILE_ALL_IS_WELL = UNSEEN_WHILE_ALL_IS_WELL | {
    # Trouble of which there was none.
    "Answers put right",
    "Batches held back",
    "Burn rate (5 minutes, 1 hour, 6 hours)",
    "Failed questions (5 minutes)",
    "Failures by reason",
    "Intake",
    "Must stay 0",
    "Reconnects and texts not fetched",
    "Rules that failed",
    "Store errors",
    # What waits for its turn, where nothing has to.
    "Answers being written",
    "Events in the producer's hands",
    "Events not yet read",
    "Lag by partition",
    "Questions waiting for their turn",
    "Standing questions",
    "Time to read the backlog (5 minutes)",
    # What happened before anybody watched, or only where it is asked for.
    "Events that are no documents",
    "HTTP refusals and errors",  # the first of a status is where its series begins
    "Model loads",
    "Rebalances",
    "Removed by retention",
    "Spans delivered and dropped",
    # What a slow machine misses.
    "Asks within 10 s (5 minutes)",
    "Edits searchable within 30 s (5 minutes)",
    "First words within 5 s (5 minutes)",
}


@dataclass(frozen=True)
class Work:
    """What the stack is made to do, so that there is something to see."""

    stack: RunningStack

    def all(self) -> None:
        self.edit()
        name = f"Quellmar-{uuid.uuid4().hex[:8]}"
        question = f"Who opened the bridge of {name}?"
        with self.watching(question) as events:
            self.push(name)
            wait_until(lambda: next(events).event == "evidence", TIMEOUT, "the watch tells of the document")
        self.ask(question)
        self.poison()

    def edit(self) -> None:
        """One page of the demo wiki, after an event that is none."""
        injected = self.stack.replay.post(
            "/replay/inject?stream=mediawiki.page_change.v1", content=b'{"cut off'
        )
        injected.raise_for_status()
        published = self.stack.replay.get("/replay/status").json()["story_steps"]
        story = next(story for story in stories() if published.get(story.story_id, 0) < len(story.steps))
        self.stack.publish(story.story_id, published.get(story.story_id, 0) + 1)

    @contextlib.contextmanager
    def watching(self, question: str) -> Iterator[Iterator[ServerSentEvent]]:
        with self.stack.api.stream("POST", "/v1/watch", json={"question": question}) as response:
            events = EventSource(response).iter_sse()
            assert next(events).event == "watching"
            yield events

    def push(self, name: str) -> None:
        document = {
            "document_id": f"test:{name}",
            "title": f"Bridge of {name}",
            "text": f"The bridge of {name} was opened by Ana Moru.",
        }
        assert self.stack.api.post("/v1/documents", json=document).status_code == httpx.codes.ACCEPTED

    def ask(self, question: str) -> None:
        """Whole, once more, as a stream, in vain, without a key; and search for it."""
        assert self.stack.ask(question)["outcome"] == "answered"
        self.stack.ask(question)
        streamed = self.stack.api.post("/v1/ask", json={"question": f"So {question}", "stream": True})
        assert "event: done" in streamed.text
        assert self.stack.ask("how do i bake sourdough bread")["outcome"] == "no_context"
        assert self.stack.search(question)
        refused = httpx.post(f"{self.stack.facts['urls']['api']}/v1/ask", json={}, trust_env=False)
        assert refused.status_code == httpx.codes.UNAUTHORIZED

    def poison(self) -> None:
        producer = Producer({"bootstrap.servers": self.stack.facts["settings"]["kafka_bootstrap_servers"]})
        producer.produce("documents", b"poison", key="poison")
        assert producer.flush(30) == 0


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusClient]:
    """A Prometheus that scraped before anything happened and knows all of it."""
    prometheus_program("prometheus")  # or skip, before anything is started
    with (
        started_stack(tmp_path_factory.mktemp("stack"), REPLAY_PAUSED="true") as running,
        watched(running) as prometheus,
    ):
        Work(running).all()
        yield prometheus


@contextlib.contextmanager
def watched(running: RunningStack) -> Iterator[PrometheusClient]:
    stack = Stack(LocalStackSettings(**running.facts["settings"]), prometheus=True)
    config = json.loads(prometheus_config(stack, "replay"))
    config["global"] = dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), "1s")
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    with running_prometheus(stack, json.dumps(config)) as prometheus:
        wait_until(lambda: prometheus.up() == jobs, TIMEOUT, "every target is up", interval=0.2)
        yield prometheus


def shown(prometheus: PrometheusClient, query: PanelQuery) -> list[float]:
    """What stands in the panel."""
    return _values(prometheus, query.ready(WINDOW))


def measured(prometheus: PrometheusClient, query: PanelQuery) -> list[float]:
    """Of that, what the stack itself said."""
    return _values(prometheus, ITS_SUBSTITUTE.sub("", query.ready(WINDOW)))


def _values(prometheus: PrometheusClient, expression: str) -> list[float]:
    return [float(sample["value"][1]) for sample in prometheus.query(expression)]


def are_numbers(values: list[float]) -> bool:
    return bool(values) and not any(math.isnan(value) for value in values)


def by_panel(asked: Iterable[PanelQuery]) -> dict[str, list[PanelQuery]]:
    panels: dict[str, list[PanelQuery]] = {}
    for query in asked:
        panels.setdefault(f"{query.board}: {query.panel}", []).append(query)
    return panels


def blank(prometheus: PrometheusClient) -> list[str]:
    """Panels with a query that nothing was measured for, or that show 0 for what happened."""
    found = []
    for name, asked in by_panel(queries()).items():
        title = asked[0].panel
        values = [measured(prometheus, query) for query in asked]
        if title not in UNSEEN_WHILE_ALL_IS_WELL and not all(map(are_numbers, values)):
            found.append(f"{name}: not measured: {values}")
        elif title not in ZERO_WHILE_ALL_IS_WELL and not any(map(any, values)):
            found.append(f"{name}: only 0: {values}")
    return found


def test_every_panel_shows_what_happened(seen: PrometheusClient) -> None:
    with contextlib.suppress(AssertionError):
        wait_until(lambda: not blank(seen), TIMEOUT, "in time", interval=0.5)
    assert blank(seen) == []


def test_no_query_is_empty_or_not_a_number(seen: PrometheusClient) -> None:
    found = {
        f"{query.board}: {query.panel}: {query.ready(WINDOW)}": shown(seen, query) for query in queries()
    }
    assert {query: values for query, values in found.items() if not are_numbers(values)} == {}


def test_what_stands_in_for_a_measurement_is_not_taken_for_one(seen: PrometheusClient) -> None:
    absent = PanelQuery("board", "absent", quantile(0.5, "rag_no_such_thing", "stage"))
    assert shown(seen, absent) == [0]
    assert measured(seen, absent) == []
    assert not are_numbers(shown(seen, PanelQuery("board", "share", "0 * sum(up) / (0 * sum(up))")))


def test_every_panel_that_may_be_blank_exists() -> None:
    assert {query.panel for query in queries()} >= ZERO_WHILE_ALL_IS_WELL
