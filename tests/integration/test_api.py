"""The API as a process: real sockets, a real broker, a store that the processor writes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.domain import epoch_milliseconds
from shared.events import DocumentEvent, decode_event, format_time, parse_time
from shared.messaging.factory import build_consumer
from shared.settings import KafkaSettings
from tests.support.api_process import (
    COMMAND,
    KEY,
    RunningApi,
    an_api,
    environment,
    kafka_settings,
    write_key,
)
from tests.support.processes import free_port, running, wait_until


@pytest.fixture(scope="module")
def api(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    with an_api(tmp_path_factory.mktemp("api"), kafka_settings(broker)) as api:
        yield api


def read_events(kafka: KafkaSettings, count: int) -> list[DocumentEvent]:
    """The first ``count`` events of the topic, in order of their document's version."""
    consumer = build_consumer(kafka.model_copy(update={"group_id": uuid.uuid4().hex}), "test")
    events: list[DocumentEvent] = []
    try:

        def arrived() -> bool:
            events.extend(decode_event(record.value) for record in consumer.poll(100, 0.2))
            return len(events) >= count

        wait_until(arrived, 60, f"{count} events in {kafka.topic}")
    finally:
        consumer.close()
    return sorted(events, key=lambda event: event.document.version)


@contextlib.contextmanager
def a_processor(api: RunningApi) -> Iterator[None]:
    variables = {**environment(api.data_dir, api.port, api.kafka), "METRICS_PORT": str(free_port())}
    group = {
        "KAFKA_GROUP_ID": api.kafka.group_id,
        "KAFKA_SESSION_TIMEOUT_MS": str(api.kafka.session_timeout_ms),
        "KAFKA_ASSIGNMENT_STRATEGY": api.kafka.assignment_strategy,
    }
    command = [sys.executable, "-m", "services.processor"]
    with running(command, api.data_dir / "processor.log", {**variables, **group}):
        yield


def test_it_is_ready_once_the_broker_answers_and_the_topic_exists(api: RunningApi) -> None:
    wait_until(lambda: api.client.get("/health/ready").status_code == 200, 60, "ready")
    assert api.client.get("/health/ready").json() == {
        "status": "ok",
        "checks": {"store": "ok", "embedder": "ok", "lexical index": "ok", "broker": "ok"},
    }


def test_a_document_is_pushed_found_asked_about_and_deleted(broker: str, tmp_path: Path) -> None:
    path = "/v1/documents/wiki/Velmora%207"
    text = "The Velmora earthquake killed 41 people."
    question = {"question": "How many people did the Velmora earthquake kill?"}

    def hits(api: RunningApi, **filters: object) -> list[dict[str, object]]:
        found = api.client.post("/v1/search", json={**question, "filters": filters}).json()["hits"]
        assert isinstance(found, list)
        return found

    with an_api(tmp_path, kafka_settings(broker)) as api, a_processor(api):
        pushed = api.client.post(
            "/v1/documents",
            content=json.dumps(
                {"document_id": "wiki/Velmora 7", "title": "Velmora earthquake", "text": text}
            ),
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert (pushed.status_code, pushed.json()) == (202, {"accepted": 1})
        wait_until(lambda: bool(hits(api)), 60, f"the document is found (logs in {tmp_path})")
        assert hits(api)[0]["document_id"] == "wiki/Velmora 7"
        assert hits(api, sources=["wikimedia"]) == []
        assert len(hits(api, sources=["api"], since="1h")) == 1
        read = api.client.get(path).json()
        assert (read["text"], read["chunks"], read["title"]) == (text, 1, "Velmora earthquake")
        answer = api.client.post("/v1/ask", json=question).json()
        assert set(answer) == {
            "answer", "outcome", "citations", "as_of", "freshness_seconds", "window", "model", "usage",
            "timings_ms", "cached", "trace_id",
        }  # fmt: skip
        assert api.client.get("/v1/stats").json()["documents"] == 1

        assert api.client.delete(path).status_code == 202
        wait_until(lambda: not hits(api), 60, f"the deleted document is gone (logs in {tmp_path})")
        assert api.client.get(path).status_code == 404
        stats = api.client.get("/v1/stats").json()
        assert (stats["documents"], stats["tombstones"]) == (0, 1)


def test_writes_of_one_document_in_a_hurry_end_in_their_order(broker: str, tmp_path: Path) -> None:
    with an_api(tmp_path, kafka_settings(broker)) as api, a_processor(api):
        for document_id, keep in (("deleted", False), ("kept", True)):
            for text in ("First text.", "Second text."):
                body = {"document_id": document_id, "title": "T", "text": text}
                assert api.client.post("/v1/documents", json=body).status_code == 202
            assert api.client.delete(f"/v1/documents/{document_id}").status_code == 202
            if keep:
                body = {"document_id": document_id, "title": "T", "text": "Third text."}
                assert api.client.post("/v1/documents", json=body).status_code == 202

        def settled() -> bool:
            kept = api.client.get("/v1/documents/kept")
            stats = api.client.get("/v1/stats").json()
            return (
                kept.status_code == 200
                and kept.json()["text"] == "Third text."
                and (stats["documents"], stats["tombstones"]) == (1, 1)
            )

        wait_until(settled, 60, f"the last write of each document stands (logs in {tmp_path})")
        assert api.client.get("/v1/documents/deleted").status_code == 404


def test_a_question_about_the_last_hour_sees_only_what_changed_then(broker: str, tmp_path: Path) -> None:
    question = "How many people has the earthquake in Velmora killed"
    with an_api(tmp_path, kafka_settings(broker), API_TIMEZONE="Asia/Tokyo") as api, a_processor(api):
        now = datetime.now(UTC)
        for name, toll, age in (("new", 47, timedelta(minutes=5)), ("old", 41, timedelta(hours=2))):
            body = {
                "document_id": name,
                "title": "Velmora earthquake",
                "text": f"The earthquake in Velmora has killed {toll} people.",
                "updated_at": format_time(now - age),
            }
            assert api.client.post("/v1/documents", json=body).status_code == 202

        def post(path: str, text: str, **more: object) -> dict[str, Any]:
            response = api.client.post(path, json={"question": text, **more})
            assert response.status_code == 200, response.text
            body: dict[str, Any] = response.json()
            return body

        def found(text: str, **more: object) -> set[str]:
            return {hit["document_id"] for hit in post("/v1/search", text, **more)["hits"]}

        wait_until(lambda: found(f"{question}?") == {"new", "old"}, 60, f"both are found (logs: {tmp_path})")
        recent = f"{question} in the last hour?"
        assert found(recent) == {"new"}
        assert found(recent, filters={"since": "1d"}) == {"new", "old"}

        answer = post("/v1/ask", recent)
        assert {citation["document_id"] for citation in answer["citations"]} == {"new"}
        window = answer["window"]
        assert (window["until"], window["text"]) == (None, "in the last hour")
        assert now <= parse_time(window["since"]) + timedelta(hours=1) <= datetime.now(UTC)
        news = post("/v1/ask", "What happened in the last hour?")
        assert news["answer"] == "“The earthquake in Velmora has killed 47 people.” [1]"
        nothing = post("/v1/ask", f"{question} in the last 2 minutes?")
        assert nothing["outcome"] == "no_context"
        assert "that changed since" in nothing["answer"]

        midnight = parse_time(post("/v1/search", "What changed today?")["window"]["since"])
        assert (midnight.hour, midnight.minute) == (15, 0)  # in Tokyo


def test_many_documents_in_one_request_are_all_acknowledged(broker: str, tmp_path: Path) -> None:
    with an_api(tmp_path, kafka_settings(broker)) as api:
        lines = [json.dumps({"document_id": f"d{n}", "title": "T", "text": f"Text {n}."}) for n in range(500)]
        response = api.client.post(
            "/v1/documents", content="\n".join(lines), headers={"Content-Type": "application/x-ndjson"}
        )
        assert (response.status_code, response.json()) == (202, {"accepted": 500})
        events = read_events(api.kafka, 500)
        assert {event.document.document_id for event in events} == {f"d{n}" for n in range(500)}
        now = epoch_milliseconds(max(event.occurred_at for event in events))
        assert all(0 <= now - event.document.revision < 60_000 for event in events)


def test_errors_over_a_real_socket(api: RunningApi) -> None:
    assert httpx.get(f"{api.client.base_url}/v1/stats").status_code == 401
    assert api.client.get("/absent").status_code == 404
    assert api.client.put("/v1/ask").status_code == 405
    wrong = api.client.post("/v1/ask", json={"question": " "})
    assert wrong.status_code == 422
    assert wrong.headers["content-type"] == "application/problem+json"
    for response in (wrong, api.client.get("/absent")):
        assert response.headers["x-request-id"]
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", response.headers["traceparent"])
        assert "server" not in response.headers


def resident_kilobytes(process: subprocess.Popen[bytes]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    match = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert match
    return int(match[1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_a_64_mb_chunked_body_is_refused_without_taking_memory(api: RunningApi) -> None:
    before = resident_kilobytes(api.process)
    block = b"64 KB".ljust(65_536)
    with socket.create_connection(("127.0.0.1", api.port), timeout=60) as connection:
        connection.sendall(
            b"POST /v1/documents HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"X-API-Key: " + KEY.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(1024):
            connection.sendall(b"10000\r\n" + block + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")
    assert resident_kilobytes(api.process) - before < 32_768


def test_documentation_and_page_come_from_our_own_files(api: RunningApi) -> None:
    for path in ("/", "/docs", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/openapi.json"):
        assert httpx.get(f"{api.client.base_url}{path}").status_code == 200, path
    assert "//" not in httpx.get(f"{api.client.base_url}/docs").text


def test_every_log_line_is_json_and_one_request_is_one_line(api: RunningApi) -> None:
    request_id = uuid.uuid4().hex
    response = api.client.get("/v1/stats", headers={"X-Request-ID": request_id})

    def lines() -> list[dict[str, object]]:
        return [line for line in api.log_lines() if line.get("request_id") == request_id]

    wait_until(lambda: bool(lines()), 60, "the access log line")
    (line,) = lines()
    assert line["trace_id"] == response.headers["traceparent"].split("-")[1]
    assert (line["service"], line["status"], line["route"]) == ("api", 200, "/v1/stats")
    assert len(api.log_lines()) == len(api.log.read_text().splitlines())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(broker: str, tmp_path: Path, number: signal.Signals) -> None:
    with an_api(tmp_path, kafka_settings(broker)) as api:
        api.client.get("/v1/stats")
        api.process.send_signal(number)
        assert api.process.wait(60) == 0
        assert api.log_lines()[-1]["message"] == "stopped"


def test_what_is_under_way_is_finished_before_it_ends(tmp_path: Path) -> None:
    """A write that waits for a broker that is away is answered, not cut off."""
    away = kafka_settings(f"127.0.0.1:{free_port()}")
    with an_api(tmp_path, away, API_PUBLISH_TIMEOUT_SECONDS="2") as api:
        with socket.create_connection(("127.0.0.1", api.port), timeout=60) as connection:
            body = json.dumps({"document_id": "d", "title": "T", "text": "T."}).encode()
            head = (
                f"POST /v1/documents HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            )
            connection.sendall(head.encode() + b"Expect: 100-continue\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 100")  # the request is being handled
            api.process.terminate()
            connection.sendall(body)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 503")
        assert api.process.wait(60) == 0


def fails_at_start(data_dir: Path, **changes: str) -> str:
    """What it says on stderr; exactly one line."""
    port = free_port()
    variables = environment(data_dir, port, kafka_settings("127.0.0.1:9"))
    with subprocess.Popen(
        COMMAND, env={**os.environ, **variables, **changes}, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2, errors.decode()
    (line,) = errors.decode().splitlines()
    assert line.startswith("api: ")
    return line


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    write_key(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        line = fails_at_start(tmp_path, API_PORT=port)
    assert f"API_PORT={port}" in line
    assert "Address already in use" in line


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"API_PORT": "http"}, "API_PORT=http"),
        ({"API_HOST": "no-such-host.invalid"}, "API_HOST=no-such-host.invalid"),
        ({"API_HOST": "203.0.113.7"}, "203.0.113.7"),
        ({"API_KEYS_FILE": "/absent/keys"}, "API_KEYS_FILE=/absent/keys"),
        ({"MAX_EVENT_BYTES": "99999999"}, "MAX_EVENT_BYTES=99999999"),
        ({"LLM": "oracle"}, "LLM=oracle"),
        ({"RERANKER": "cross-encoder", "RERANKER_MODEL": "/absent/model"}, "RERANKER_MODEL=/absent/model"),
        ({"RERANKER": "cross-encoder"}, "RERANKER_MODEL=: "),
        ({"LLM": "llamacpp", "LLM_MODEL": "absent-model"}, "LLM_MODEL=absent-model"),
        (
            {"EMBEDDER": "sentence-transformers", "EMBEDDER_MODEL": "absent-model"},
            "EMBEDDER_MODEL=absent-model",
        ),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(
    tmp_path: Path, changes: dict[str, str], named: str
) -> None:
    write_key(tmp_path)
    assert named in fails_at_start(tmp_path, **changes)


def test_a_missing_key_file_is_one_line_with_the_cure(tmp_path: Path) -> None:
    line = fails_at_start(tmp_path)
    assert f"API_KEYS_FILE={tmp_path / 'api-keys'}" in line
    assert "chmod 600" in line
