"""The metrics of a stack that runs: all that is declared, nothing else, fed by what really happens."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest
from prometheus_client import Metric

from bench.stack import RunningStack, free_port, started_stack
from services.replay.story import stories
from shared.observability.metrics.catalogue import PROCESS_METRICS, SECTIONS
from shared.observability.metrics.declaration import Declared, declared_in
from tests.support.exposition import exemplars, families
from tests.support.processes import wait_until

SERVICES = ("producer", "processor", "api")
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5"}
TIMEOUT = 120.0

ONLY_IN_TROUBLE = {
    "rag_answer_sentences_replaced_total",
    "rag_citations_invalid_total",
    "rag_consumer_lag_messages",
    "rag_dlq_halted",
    "rag_dlq_messages_total",
    "rag_ingest_blocked",
    "rag_ingest_retries_total",
    "rag_llm_failures_total",
    "rag_llm_retries_total",
    "rag_retrieval_empty_total",
    "rag_source_enrich_failures_total",
    "rag_source_reconnects_total",
    "rag_source_stale_cursors_total",
    "rag_store_errors_total",
    "rag_store_writes_lost_total",
}
ONLY_WHERE_IT_IS_ASKED_FOR = {
    "gen_ai_client_operation_time_per_output_chunk_seconds",
    "rag_chunks_reused_total",
    "rag_llm_in_flight",
    "rag_llm_waiting",
    "rag_reader_readings_total",
    "rag_retention_removed_total",
    "rag_source_dropped_total",
    "rag_source_outstanding_events",
    "rag_index_tombstones",
    "rag_trace_spans_exported_total",
    "rag_watch_events_total",
    "rag_watches",
}


class Traces:
    """Of one document that was pushed, and of one question that it answers."""

    def __init__(self, pushed: str, asked: str) -> None:
        self.pushed = pushed
        self.asked = asked


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One that keeps traces, so that figures can lead to them; their receiver is away."""
    receiver = f"http://127.0.0.1:{free_port()}"
    folder = tmp_path_factory.mktemp("stack")
    with started_stack(folder, REPLAY_PAUSED="true", OTEL_EXPORTER_OTLP_ENDPOINT=receiver) as running:
        yield running


@pytest.fixture(scope="module")
def traces(stack: RunningStack) -> Iterator[Traces]:
    nonce = uuid.uuid4().hex[:8]
    text = f"The bridge of Quellmar-{nonce} was opened by Ana Moru."
    document = {"document_id": f"test:{nonce}", "title": f"Bridge {nonce}", "text": text}
    published = stack.replay.get("/replay/status").json()["story_steps"]
    story = next(story for story in stories() if published.get(story.story_id, 0) < len(story.steps))
    stack.publish(story.story_id, published.get(story.story_id, 0) + 1)
    pushed = stack.api.post("/v1/documents", json=document)
    assert pushed.status_code == 202, pushed.text
    wait_until(lambda: stack.revision(f"test:{nonce}") is not None, TIMEOUT, "the document is indexed")
    answered = stack.api.post("/v1/ask", json={"question": f"Who opened the bridge of Quellmar-{nonce}?"})
    assert answered.json()["outcome"] == "answered", answered.text
    yield Traces(_trace_of(pushed), _trace_of(answered))
    stack.api.delete(f"/v1/documents/test:{nonce}").raise_for_status()


def _trace_of(response: httpx.Response) -> str:
    return str(response.headers["traceparent"]).split("-")[1]


def exposition(stack: RunningStack, service: str) -> str:
    response = httpx.get(stack.facts["metrics"][service], headers=OPENMETRICS, trust_env=False)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    return response.text


def declared_for(service: str) -> dict[str, Declared[object]]:
    return {
        declared.name: declared
        for section in SECTIONS
        if service in section.services
        for declared in declared_in(section.group).values()
    }


def wait_until_empty(names: Callable[[], set[str]]) -> None:
    """Some gauges are set every few seconds only."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: not names(), TIMEOUT, "in time", interval=0.5)
    assert names() == set()


def is_fed(family: Metric) -> bool:
    return any(sample.value for sample in family.samples)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_exposes_what_is_declared_for_it_and_nothing_else(
    stack: RunningStack, traces: Traces, service: str
) -> None:
    expected = declared_for(service).keys() | PROCESS_METRICS.keys()

    def difference() -> set[str]:
        return families(exposition(stack, service)).keys() ^ expected

    wait_until_empty(difference)


@pytest.mark.parametrize("service", SERVICES)
def test_each_is_fed(stack: RunningStack, traces: Traces, service: str) -> None:
    wanted = declared_for(service).keys() - ONLY_IN_TROUBLE - ONLY_WHERE_IT_IS_ASKED_FOR

    def hungry() -> set[str]:
        found = families(exposition(stack, service))
        return {name for name in wanted if name not in found or not is_fed(found[name])}

    wait_until_empty(hungry)


def test_figures_lead_to_the_traces_that_they_came_from(stack: RunningStack, traces: Traces) -> None:
    api = exposition(stack, "api")
    for name in (
        "http_server_request_duration_seconds",
        "rag_request_duration_seconds",
        "rag_stage_duration_seconds",
        "gen_ai_client_operation_duration_seconds",
    ):
        assert traces.asked in exemplars(api, name), name
    processor = exposition(stack, "processor")
    assert traces.pushed in exemplars(processor, "rag_ingest_end_to_end_seconds")
    assert exemplars(processor, "messaging_process_duration_seconds")
