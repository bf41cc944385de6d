"""One edit's whole way and one question's, as a receiver of traces sees them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.messaging.document_record import document_record
from shared.messaging.factory import build_producer
from shared.ports import OutgoingRecord
from tests.support.api_process import an_api, kafka_settings
from tests.support.otlp_receiver import ReceivedSpan, otlp_receiver
from tests.support.processes import free_port, wait_until
from tests.support.processor_stack import a_stack, an_event, metrics_of, processed
from tests.support.traced_stack import TracedStack, traced_stack

TIMEOUT = 90.0
DOCUMENT_ID, TITLE = "runbook:7", "Velmora earthquake"
TEXT = "The Velmora earthquake killed 41 people."
QUESTION = "How many people did the Velmora earthquake kill?"
SAMPLED = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def stack(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TracedStack]:
    """A document has been pushed, and edits have been read; all of them are indexed."""
    with traced_stack(broker, tmp_path_factory.mktemp("traces")) as stack:
        body = {"document_id": DOCUMENT_ID, "title": TITLE, "text": TEXT}
        assert stack.client.post("/v1/documents", json=body).status_code == 202
        ready = f"http://127.0.0.1:{stack.ports['producer']}/health/ready"
        wait_until(lambda: stack.client.get(ready).status_code == 200, TIMEOUT, "the producer is connected")
        stack.publish_edits(12)
        wait_until(lambda: len(edits(stack)) > 0, TIMEOUT, f"edits are indexed (logs in {stack.folder})")
        wait_until(lambda: document(stack, DOCUMENT_ID) is not None, TIMEOUT, "the pushed document")
        yield stack


def document(stack: TracedStack, document_id: str) -> dict[str, Any] | None:
    response = stack.client.get(f"/v1/documents/{document_id}")
    return response.json() if response.status_code == 200 else None


def edits(stack: TracedStack) -> list[dict[str, Any]]:
    """Cited as what happened in the last hour."""
    question = {"question": "What happened in the last hour?", "filters": {"sources": ["wikimedia"]}}
    citations: list[dict[str, Any]] = stack.client.post("/v1/ask", json=question).json()["citations"]
    return citations


def asked(stack: TracedStack, question: str = QUESTION) -> dict[str, Any]:
    body: dict[str, Any] = stack.client.post("/v1/ask", json={"question": question}).json()
    assert body["outcome"] == "answered", body
    return body


def spans_of(stack: TracedStack, trace: str, *names: str) -> dict[str, ReceivedSpan]:
    """Of the trace, by name; waits until there is one of each."""

    def found() -> dict[str, ReceivedSpan]:
        return {span.name: span for span in stack.receiver.spans if span.trace == trace}

    stack.receiver.wait(lambda: set(names) <= found().keys(), f"{names} of trace {trace}")
    return found()


def batch_of(stack: TracedStack, topic: str, send: ReceivedSpan) -> ReceivedSpan:
    def found() -> list[ReceivedSpan]:
        return [
            span
            for span in stack.receiver.of("processor", f"process {topic}")
            if send.id in (span.parent, *span.links)
        ]

    stack.receiver.wait(lambda: len(found()) > 0, f"the batch with {send.attributes}")
    (batch,) = found()
    return batch


def test_an_edit_from_the_stream_to_the_citation(stack: TracedStack) -> None:
    topic = stack.kafka.topic
    citation = edits(stack)[0]
    trace = citation["ingest_trace_id"]
    found = document(stack, citation["document_id"])
    assert found is not None
    assert (found["ingest_trace_id"], found["revision"]) == (trace, citation["revision"])
    spans = spans_of(
        stack,
        trace,
        "fetch replay",
        "enrich",
        f"send {topic}",
        "chunk",
        "embeddings hashing-384",
        "upsert",
    )
    fetch, send = spans["fetch replay"], spans[f"send {topic}"]
    assert {name: span.parent for name, span in spans.items() if not name.startswith("process")} == {
        "fetch replay": "",
        "enrich": fetch.id,
        f"send {topic}": fetch.id,
        "chunk": send.id,
        "embeddings hashing-384": send.id,
        "upsert": send.id,
    }
    assert {span.service for span in (fetch, spans["enrich"], send)} == {"producer"}
    assert {spans[name].service for name in ("chunk", "embeddings hashing-384", "upsert")} == {"processor"}
    assert (send.kind, spans["upsert"].kind) == ("PRODUCER", "CLIENT")
    for span in spans.values():
        if not span.name.startswith("process"):
            assert span.attributes.get("document.id", citation["document_id"]) == citation["document_id"]
    assert spans["upsert"].attributes["db.system.name"] == "faiss"
    assert spans["upsert"].attributes["rag.write.outcome"] == "applied"
    assert spans["upsert"].attributes["rag.document.revision"] == citation["revision"]

    batch = batch_of(stack, topic, send)
    assert (batch.kind, batch.attributes["messaging.operation.type"]) == ("CONSUMER", "process")
    assert batch.attributes["messaging.batch.message_count"] == max(1, len(batch.links))
    assert spans["upsert"].links == spans["embeddings hashing-384"].links == (batch.id,)
    stack.receiver.wait(lambda: bool(stack.receiver.of("processor", f"commit {topic}")), "a commit")
    assert {span.kind for span in stack.receiver.of("processor", f"commit {topic}")} == {"CLIENT"}


def test_every_hit_and_citation_names_the_trace_of_its_own_revision(stack: TracedStack) -> None:
    before = asked(stack)["citations"][0]["ingest_trace_id"]
    pushed = spans_of(stack, before, "POST /v1/documents", f"send {stack.kafka.topic}", "upsert")
    assert pushed[f"send {stack.kafka.topic}"].parent == pushed["POST /v1/documents"].id
    assert pushed["upsert"].parent == pushed[f"send {stack.kafka.topic}"].id
    assert pushed[f"send {stack.kafka.topic}"].service == "api"

    again = stack.client.post(
        "/v1/documents", json={"document_id": DOCUMENT_ID, "title": TITLE, "text": TEXT}
    )
    newer = again.headers["traceparent"].split("-")[1]

    def is_newer() -> bool:
        found = document(stack, DOCUMENT_ID)
        return found is not None and found["ingest_trace_id"] == newer

    wait_until(is_newer, TIMEOUT, "the unchanged text has the newer trace")
    assert asked(stack)["citations"][0]["ingest_trace_id"] == newer
    hits = stack.client.post("/v1/search", json={"question": QUESTION}).json()["hits"]
    assert {hit["ingest_trace_id"] for hit in hits if hit["document_id"] == DOCUMENT_ID} == {newer}
    assert "embeddings hashing-384" not in spans_of(stack, newer, "upsert"), "nothing was embedded again"


def test_a_question_from_request_to_grounding(stack: TracedStack) -> None:
    body = asked(stack, "How many people did the Velmora earthquake kill this time?")
    names = (
        "POST /v1/ask", "invoke_workflow rag_ask", "embeddings hashing-384", "retrieval", "weigh_evidence",
        "build_prompt", "chat extractive", "evaluate groundedness",
    )  # fmt: skip
    spans = spans_of(stack, body["trace_id"], *names)
    server, workflow = spans["POST /v1/ask"], spans["invoke_workflow rag_ask"]
    assert (server.parent, server.kind, server.attributes["http.response.status_code"]) == ("", "SERVER", 200)
    assert (workflow.parent, workflow.attributes["rag.outcome"]) == (server.id, "answered")
    for name in ("retrieval", "build_prompt", "chat extractive", "evaluate groundedness"):
        assert spans[name].parent == workflow.id, name
    assert spans["embeddings hashing-384"].parent in {workflow.id, spans["weigh_evidence"].id}
    assert {name: span.attributes.get("openinference.span.kind") for name, span in spans.items()} == {
        "POST /v1/ask": None,
        "invoke_workflow rag_ask": "CHAIN",
        "look_up_answer": "CHAIN",
        "embeddings hashing-384": "EMBEDDING",
        "retrieval": "RETRIEVER",
        "weigh_evidence": "CHAIN",
        "build_prompt": "CHAIN",
        "chat extractive": "LLM",
        "evaluate groundedness": "EVALUATOR",
    }
    retrieval = spans["retrieval"].attributes
    assert retrieval["gen_ai.request.top_k"] == 5
    assert retrieval["db.vector.query.top_score"] == retrieval["retrieval.documents.0.document.score"]
    assert retrieval["retrieval.documents.0.document.id"] == DOCUMENT_ID
    assert (
        retrieval["retrieval.documents.0.rag.ingest_trace_id"]
        == (body["citations"][0]["ingest_trace_id"])
    )  # fmt: skip
    prompt = spans["build_prompt"].attributes
    assert prompt["rag.context_tokens"] > 0
    assert prompt["rag.documents_dropped"] == body["usage"]["passages_dropped"]
    chat = spans["chat extractive"].attributes
    assert (chat["gen_ai.provider.name"], chat["gen_ai.request.model"]) == ("extractive", "extractive")
    assert chat["gen_ai.usage.input_tokens"] == body["usage"]["input_tokens"]
    assert chat["gen_ai.usage.output_tokens"] == body["usage"]["output_tokens"]
    assert chat["gen_ai.response.finish_reasons"] in (["stop"], ["sentence_limit"])
    assert chat["gen_ai.response.time_to_first_chunk"] > 0
    evaluation = spans["evaluate groundedness"].events["gen_ai.evaluation.result"]
    assert evaluation == {"gen_ai.evaluation.name": "groundedness", "gen_ai.evaluation.score.value": 1.0}


def test_a_search_has_its_stages_under_the_request(stack: TracedStack) -> None:
    response = stack.client.post("/v1/search", json={"question": QUESTION, "top_k": 3})
    trace = response.headers["traceparent"].split("-")[1]
    spans = spans_of(stack, trace, "POST /v1/search", "embeddings hashing-384", "retrieval")
    assert {span.parent for name, span in spans.items() if name != "POST /v1/search"} == {
        spans["POST /v1/search"].id
    }
    assert spans["retrieval"].attributes["gen_ai.request.top_k"] == 3


def test_what_people_wrote_is_not_on_spans(stack: TracedStack) -> None:
    body = asked(stack)
    spans_of(stack, body["trace_id"], "POST /v1/ask")
    written = json.dumps([[span.name, span.attributes, span.events] for span in stack.receiver.spans])  # type: ignore[misc]
    for text in (QUESTION, TEXT, TITLE, "41 people"):
        assert text not in written


def test_a_dead_letter_stays_in_its_trace(stack: TracedStack) -> None:
    producer = build_producer(stack.kafka, "test")
    producer.send(OutgoingRecord(stack.kafka.topic, b"k", b"not JSON", (("traceparent", SAMPLED),)))
    assert producer.flush(60) == 0
    producer.close()
    name = f"dead_letter {stack.kafka.dlq_topic}"
    span = spans_of(stack, TRACE, name)[name]
    assert (span.service, span.parent, span.kind) == ("processor", SPAN, "PRODUCER")
    assert span.attributes["error.type"] == "malformed_json"
    wait_until(
        lambda: any(line.get("trace_id") == TRACE for line in stack.log_lines("processor")),
        TIMEOUT,
        "its log line",
    )


@pytest.mark.parametrize("service", ["producer", "processor", "api"])
def test_every_service_has_traces_metrics_and_logs_that_belong_together(
    stack: TracedStack, service: str
) -> None:
    stack.receiver.wait(lambda: bool(stack.receiver.of(service)), f"spans of {service}")
    spans = stack.receiver.of(service)
    assert len({span.resource["service.instance.id"] for span in spans}) == 1
    metrics = stack.metrics(service)
    assert f'rag_build_info{{service="{service}"' in metrics
    exported = next(
        line for line in metrics.splitlines() if line.startswith("rag_trace_spans_exported_total ")
    )
    assert float(exported.split()[1]) > 0
    for line in metrics.splitlines():
        if line.startswith("rag_trace_spans_dropped_total{"):
            assert float(line.split()[1]) == 0, line
    if service == "processor":
        test_a_dead_letter_stays_in_its_trace(stack)  # it says nothing in a span unless something is wrong
    traces = {line["trace_id"] for line in stack.log_lines(service) if line.get("trace_id")}
    assert {line["service"] for line in stack.log_lines(service)} == {service}
    stack.receiver.wait(
        lambda: bool(traces & {span.trace for span in stack.receiver.of(service)}), "a log line's trace"
    )


def test_the_last_spans_are_exported_before_the_end_and_text_only_if_asked_for(
    broker: str, tmp_path: Path
) -> None:
    with otlp_receiver() as receiver:
        with an_api(
            tmp_path / "data",
            kafka_settings(broker),
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
            OTEL_BSP_SCHEDULE_DELAY="600000",
            OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="true",
        ) as api:
            trace = api.client.post("/v1/ask", json={"question": QUESTION}).json()["trace_id"]
            assert not receiver.spans
            api.process.terminate()
            assert api.process.wait(TIMEOUT) == 0
        (workflow,) = [span for span in receiver.of("api", "invoke_workflow rag_ask") if span.trace == trace]
        assert workflow.attributes["input.value"] == QUESTION


def test_a_receiver_that_is_away_stops_no_work(broker: str, tmp_path: Path) -> None:
    stack, port = a_stack(broker, tmp_path), free_port()
    away = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
        "OTEL_BSP_MAX_QUEUE_SIZE": "4",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "2",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "50",
    }
    with stack.processor("processor", port, **away) as process:
        wait_until(lambda: _answers(port), TIMEOUT, "the processor")
        events = [an_event(f"test:{number}", 1, "The bridge opens.") for number in range(30)]
        records = [document_record(stack.kafka.topic, event) for event in events]
        stack.send([replace(record, headers=(("traceparent", SAMPLED),)) for record in records])
        wait_until(lambda: processed(port) == 30, TIMEOUT, "all records are through")
        lost = sum(value for name, value in metrics_of(port).items() if name.startswith("rag_trace_spans_dr"))
        assert lost > 0
        process.terminate()
        assert process.wait(TIMEOUT) == 0
    said = [line for line in stack.log("processor").read_text().splitlines() if "spans are dropped" in line]
    assert len(said) <= 2, "one a minute, and the machine may be slow"


def _answers(port: int) -> bool:
    try:
        metrics_of(port)
    except OSError:
        return False
    return True
