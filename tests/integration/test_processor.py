"""The real processor process, between a real broker and a real store."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.local.broker import GROUP_SETTINGS
from services.processor.chunker import Chunker
from services.processor.settings import ProcessorSettings
from shared.domain import Document
from shared.embedder.hashing import HashingEmbedder
from shared.errors import InvalidReason
from shared.events import DocumentEvent, Operation, encode_event, new_event_id
from shared.messaging.document_record import document_record
from shared.messaging.factory import build_consumer, build_producer, ensure_topics
from shared.ports import OutgoingRecord, Record
from shared.settings import KafkaSettings, VectorStoreSettings
from shared.vector_store.factory import open_vector_store
from tests.support.processes import free_port, running, wait_until

TIMEOUT = 60.0
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"

Contents = dict[str, tuple[int, str, tuple[str, ...]]]
"""Document id → revision, text, chunk texts."""


@dataclass(frozen=True, slots=True)
class Stack:
    kafka: KafkaSettings
    folder: Path

    @property
    def store(self) -> VectorStoreSettings:
        return VectorStoreSettings(faiss_path=self.folder / "documents.sqlite")

    def processor(self, name: str, port: int) -> AbstractContextManager[subprocess.Popen[bytes]]:
        environment = {
            **GROUP_SETTINGS,
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "KAFKA_TOPIC": self.kafka.topic,
            "KAFKA_DLQ_TOPIC": self.kafka.dlq_topic,
            "KAFKA_GROUP_ID": self.kafka.group_id,
            "FAISS_PATH": str(self.folder / "documents.sqlite"),
            "EMBEDDER": "hashing",
            "METRICS_PORT": str(port),
            "LOG_LEVEL": "INFO",
        }
        return running([sys.executable, "-m", "services.processor"], self.log(name), environment)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def send(self, records: list[OutgoingRecord]) -> None:
        failures: list[Exception] = []
        with closing(build_producer(self.kafka, "test")) as producer:
            for record in records:
                producer.send(record, lambda error: failures.append(error) if error else None)
            assert producer.flush(TIMEOUT) == 0
        assert failures == []

    def contents(self) -> Contents:
        embedder = HashingEmbedder()
        with closing(
            open_vector_store(self.store, embedder_name=embedder.name, dimension=embedder.dimension)
        ) as store:
            ids = {change.document_id for change in store.changes(None, 100_000).changes}
            found = {document_id: store.get(document_id) for document_id in ids}
        return {
            document_id: (
                stored.document.revision,
                stored.document.text,
                tuple(chunk.text for chunk in stored.chunks),
            )
            for document_id, stored in found.items()
            if stored is not None
        }


@pytest.fixture
def stack(broker: str, tmp_path: Path) -> Stack:
    name = f"documents-{uuid.uuid4()}"
    kafka = KafkaSettings(
        bootstrap_servers=broker,
        topic=name,
        dlq_topic=f"{name}.dlq",
        group_id=name,
        **{key.removeprefix("KAFKA_").lower(): value for key, value in GROUP_SETTINGS.items()},
    )
    ensure_topics(kafka, 10)
    return Stack(kafka, tmp_path)


def an_event(
    document_id: str,
    revision: int,
    text: str,
    op: Operation = Operation.UPSERT,
    occurred_at: datetime = EPOCH,
) -> DocumentEvent:
    document = Document(
        document_id=document_id,
        source="test",
        title=f"Page {document_id}",
        text=text,
        url=f"https://example.org/{document_id}",
        revision=revision,
        updated_at=EPOCH + timedelta(seconds=revision),
    )
    return DocumentEvent(op, new_event_id(), occurred_at, document)


def a_history(rng: random.Random, documents: int, events: int) -> list[DocumentEvent]:
    """Updates, deletes, duplicates and late arrivals."""
    history: list[DocumentEvent] = []
    for revision in range(1, events + 1):
        document_id = f"test:{rng.randrange(documents)}"
        sentences = rng.randrange(1, 30)
        text = " ".join(
            " ".join(rng.choices(("river", "bridge", "council", "votes", "opens", "2026"), k=12)) + "."
            for _ in range(sentences)
        )
        op = Operation.DELETE if rng.random() < 0.15 else Operation.UPSERT
        history.append(an_event(document_id, revision, text, op))
    history += rng.sample(history, events // 10)
    for _ in range(events // 10):
        place = rng.randrange(len(history))
        history.insert(min(place + rng.randrange(20), len(history)), history.pop(place))
    return history


def undisturbed(history: list[DocumentEvent]) -> Contents:
    """What the store must hold, computed without any of the processor's machinery but the chunker."""
    settings = ProcessorSettings()
    chunker = Chunker(HashingEmbedder().count_tokens, settings.chunk_tokens, settings.chunk_overlap_tokens)
    newest: dict[str, DocumentEvent] = {}
    for event in history:
        known = newest.get(event.document.document_id)
        if known is None or event.document.version > known.document.version:
            newest[event.document.document_id] = event
    return {
        document_id: (
            event.document.revision,
            event.document.text,
            tuple(item.chunk.text for item in chunker.chunk(event.document)),
        )
        for document_id, event in newest.items()
        if event.op is Operation.UPSERT
    }


def metrics_of(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
        lines = response.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def processed(port: int) -> int:
    """Records that reached an outcome."""
    return int(
        sum(
            value
            for name, value in metrics_of(port).items()
            if name.startswith("rag_ingest_documents_total{")
        )
    )


def logged(path: Path) -> Iterator[dict[str, object]]:
    return (json.loads(line) for line in path.read_text().splitlines() if line.startswith("{"))


def dead_letters(stack: Stack, count: int) -> list[Record]:
    settings = stack.kafka.model_copy(
        update={"topic": stack.kafka.dlq_topic, "group_id": f"{stack.kafka.group_id}-dlq"}
    )
    records: list[Record] = []

    def arrived() -> bool:
        records.extend(consumer.poll(100, 0.1))
        return len(records) >= count

    with closing(build_consumer(settings, "test")) as consumer:
        wait_until(arrived, TIMEOUT, f"{count} dead letters")
    return records


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
        started = time.monotonic()
        first.terminate()
        assert first.wait(10) == 0
        assert time.monotonic() - started < 5
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
        assert process.wait(15) == 0


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
        now = datetime.now(UTC)
        event = an_event("test:fresh", 1, "Fresh text.", occurred_at=now)
        stack.send([document_record(stack.kafka.topic, event)])
        wait_until(lambda: processed(port) == 1, TIMEOUT, "one record")
        elapsed = (datetime.now(UTC) - now).total_seconds()
        metrics = metrics_of(port)
        assert 0 <= metrics["rag_ingest_end_to_end_seconds_sum"] <= elapsed + 0.001
        assert metrics["rag_last_indexed_timestamp_seconds"] == pytest.approx(time.time(), abs=elapsed + 1)
