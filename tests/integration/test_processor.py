"""The real processor process, between a real broker and a real store."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.errors import InvalidReason
from shared.events import Operation, encode_event
from shared.messaging.document_record import document_record
from shared.messaging.factory import ensure_topics
from shared.ports import OutgoingRecord
from tests.support.processes import free_port, wait_until
from tests.support.processor_stack import (
    TIMEOUT,
    Stack,
    a_history,
    a_stack,
    an_event,
    dead_letters,
    is_alive,
    is_ready,
    logged,
    metrics_of,
    processed,
    undisturbed,
)

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def stack(broker: str, tmp_path: Path) -> Stack:
    stack = a_stack(broker, tmp_path)
    ensure_topics(stack.kafka, 10)
    return stack


def test_good_records_are_indexed_and_poison_is_buried(stack: Stack) -> None:
    topic = stack.kafka.topic
    good = json.loads(encode_event(an_event("test:x", 1, "Text.")))
    without_title = {**good, "document": {**good["document"], "title": None}}
    poison: list[tuple[bytes | None, InvalidReason]] = [
        (b'{"schema": "document-event/1", ', InvalidReason.MALFORMED_JSON),
        (b'{"schema": "\xff\xfe"}', InvalidReason.INVALID_UTF8),
        (json.dumps({**good, "schema": "document-event/2"}).encode(), InvalidReason.UNKNOWN_SCHEMA),
        (json.dumps(without_title).encode(), InvalidReason.MISSING_FIELD),
        (encode_event(an_event("test:big", 1, "big " * 1_250_000)), InvalidReason.TOO_LARGE),
        (encode_event(an_event("test:empty", 1, "  \n")), InvalidReason.EMPTY_TEXT),
        (None, InvalidReason.MISSING_FIELD),
    ]
    events = [
        an_event("test:a", 1, "The bridge opens in May."),
        an_event("test:a", 2, "The bridge opens in June."),
        an_event("test:b", 1, "The hoax about a dragon."),
        an_event("test:b", 1, "The hoax about a dragon."),
        an_event("test:b", 2, "", Operation.DELETE),
        an_event("test:c", 5, "The council votes."),
        an_event("test:c", 4, "The council will vote."),
    ]
    trace = (("traceparent", f"00-{TRACE_ID}-00f067aa0ba902b7-01".encode()), ("x", b"kept"))
    records = [document_record(topic, event) for event in events]
    for number, (value, _) in enumerate(poison):
        records.insert(number + 1, OutgoingRecord(topic, b"poison", value, trace))
    stack.send(records)
    port = free_port()
    with stack.processor("processor", port) as process:
        wait_until(lambda: is_ready(port) and processed(port) == len(records), TIMEOUT, "all records")
        assert stack.contents() == {
            "test:a": (2, "The bridge opens in June.", ("The bridge opens in June.",)),
            "test:c": (5, "The council votes.", ("The council votes.",)),
        }
        metrics = metrics_of(port)
        for _, reason in poison:
            expected = sum(other is reason for _, other in poison)
            assert metrics[f'rag_dlq_messages_total{{reason="{reason}"}}'] == expected
        assert metrics['rag_ingest_documents_total{result="invalid"}'] == len(poison)
        stack.send([document_record(topic, an_event("test:d", 1, "The stream goes on."))])
        wait_until(lambda: "test:d" in stack.contents(), TIMEOUT, "the record after the poison")
        assert process.poll() is None

    buried = dead_letters(stack, len(poison))
    assert len(buried) == len(poison)
    found = {record.value: dict(record.headers) for record in buried}
    for value, reason in poison:
        headers = found[value]
        assert headers["dlq.reason"] == reason.value.encode()
        assert headers["dlq.detail"]
        assert headers["dlq.origin"].startswith(f"{topic}/".encode())
        assert headers["x"] == b"kept"
        assert all(record.key == b"poison" for record in buried)
    letters = [entry for entry in logged(stack.log("processor")) if entry["message"] == "dead letter"]
    assert sorted(str(entry["reason"]) for entry in letters) == sorted(reason for _, reason in poison)
    assert {entry["trace_id"] for entry in letters} == {TRACE_ID}


def test_killed_in_the_middle_it_ends_as_if_undisturbed(stack: Stack) -> None:
    seed = random.randrange(2**32)
    history = a_history(random.Random(seed), documents=150, events=3_000)
    stack.send([document_record(stack.kafka.topic, event) for event in history])
    first_port, second_port = free_port(), free_port()
    with stack.processor("first", first_port) as first:
        wait_until(lambda: is_ready(first_port) and processed(first_port) > 300, TIMEOUT, "some records")
        done = processed(first_port)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    assert done < len(history), f"seed {seed}: everything was processed before the kill"
    with stack.processor("second", second_port):
        wait_until(
            lambda: stack.contents() == undisturbed(history), TIMEOUT, f"the same store, seed {seed}", 0.5
        )


def test_two_in_one_group_end_as_if_undisturbed(stack: Stack) -> None:
    seed = random.randrange(2**32)
    history = a_history(random.Random(seed), documents=150, events=2_000)
    ports = free_port(), free_port()
    with stack.processor("first", ports[0]), stack.processor("second", ports[1]):
        wait_until(lambda: all(map(is_ready, ports)), TIMEOUT, "both have partitions")
        stack.send([document_record(stack.kafka.topic, event) for event in history])
        wait_until(
            lambda: sum(map(processed, ports)) >= len(history), TIMEOUT, f"all records, seed {seed}", 0.2
        )
        assert all(processed(port) > 0 for port in ports)
        assert stack.contents() == undisturbed(history), f"seed {seed}"


def test_stopped_it_commits_and_exits_cleanly(stack: Stack) -> None:
    stack.send(
        [document_record(stack.kafka.topic, an_event(f"test:{n}", 1, "Some text.")) for n in range(20)]
    )
    ports = free_port(), free_port()
    with stack.processor("first", ports[0]) as first:
        wait_until(lambda: is_ready(ports[0]) and processed(ports[0]) == 20, TIMEOUT, "20 records")
        first.terminate()
        assert first.wait(TIMEOUT) == 0
    stack.send([document_record(stack.kafka.topic, an_event("test:new", 1, "New text."))])
    with stack.processor("second", ports[1]):
        wait_until(lambda: "test:new" in stack.contents(), TIMEOUT, "the new record")
        assert metrics_of(ports[1])["messaging_client_consumed_messages_total"] == 1


def test_it_waits_for_a_broker_and_says_so(stack: Stack) -> None:
    away = Stack(
        stack.kafka.model_copy(update={"bootstrap_servers": f"127.0.0.1:{free_port()}"}), stack.folder
    )
    port = free_port()

    def warned() -> bool:
        return any(
            entry["message"] == "waiting for the broker" and "KAFKA_BOOTSTRAP_SERVERS" in str(entry["error"])
            for entry in logged(away.log("processor"))
        )

    with away.processor("processor", port) as process:
        wait_until(warned, TIMEOUT, "one clear line")
        assert not is_ready(port)
        process.terminate()
        assert process.wait(TIMEOUT) == 0


@pytest.mark.parametrize(
    ("name", "value"), [("CHUNK_TOKENS", "100000"), ("CHUNK_TOKENS", "500"), ("METRICS_PORT", "none")]
)
def test_a_wrong_setting_is_one_line(stack: Stack, name: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.processor"],
        env={
            **os.environ,
            "EMBEDDER": "hashing",
            "FAISS_PATH": str(stack.folder / "x"),
            "METRICS_PORT": str(free_port()),
            name: value,
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert f"{name}={value}" in line


def test_freshness_is_measured_from_the_source(stack: Stack) -> None:
    port = free_port()
    with stack.processor("processor", port):
        wait_until(lambda: is_ready(port), TIMEOUT, "ready")
        now = datetime.now(UTC).replace(microsecond=0)  # metrics and events know milliseconds
        event = an_event("test:fresh", 1, "Fresh text.", occurred_at=now)
        stack.send([document_record(stack.kafka.topic, event)])
        wait_until(lambda: processed(port) == 1, TIMEOUT, "one record")
        elapsed = (datetime.now(UTC) - now).total_seconds()
        metrics = metrics_of(port)
        assert 0 <= metrics['rag_ingest_end_to_end_seconds_sum{source="other"}'] <= elapsed
        assert now.timestamp() <= metrics['rag_last_indexed_timestamp_seconds{source="other"}'] <= time.time()


def test_a_producer_gone_wrong_halts_it_and_it_says_how_to_go_on(stack: Stack) -> None:
    poison = [OutgoingRecord(stack.kafka.topic, b"same", b"{%d" % number) for number in range(300)]
    port = free_port()
    with stack.processor("halted", port, DLQ_MAX_SHARE="0.4") as process:
        wait_until(lambda: is_ready(port), TIMEOUT, "ready")
        stack.send(poison)
        wait_until(lambda: metrics_of(port)["rag_dlq_halted"] == 1, TIMEOUT, "the halt")
        wait_until(lambda: processed(port) == 100, TIMEOUT, "burials up to the limit")
        assert not is_ready(port)
        assert is_alive(port)
        [line] = [
            entry for entry in logged(stack.log("halted")) if str(entry["message"]).startswith("halted")
        ]
        for part in ("101 of the last 101", "malformed_json", "DLQ_MAX_SHARE=0.4", "dlq list"):
            assert part in str(line["message"])
        process.terminate()
        assert process.wait(TIMEOUT) == 0
    assert [letter.value for letter in dead_letters(stack, 100)] == [record.value for record in poison[:100]]
    with stack.processor("restarted", port, DLQ_MAX_SHARE="1"):
        wait_until(lambda: is_ready(port) and processed(port) == 200, TIMEOUT, "the rest, and nothing twice")
