"""``python -m services.processor dlq`` as an operator runs it, against a real broker and processor."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import uuid
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.local.broker import GROUP_SETTINGS
from shared.domain import Document
from shared.embedder.hashing import HashingEmbedder
from shared.events import DocumentEvent, Operation, encode_event, format_time, new_event_id
from shared.messaging.document_record import document_record
from shared.messaging.factory import build_producer, ensure_topics
from shared.messaging.topic_reader import open_topic
from shared.ports import OutgoingRecord, Record
from shared.settings import KafkaSettings, VectorStoreSettings
from shared.vector_store.factory import open_vector_store
from tests.support.kafka_environment import kafka_environment
from tests.support.processes import free_port, running, wait_until

TIMEOUT = 60.0
NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Operator:
    kafka: KafkaSettings
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **GROUP_SETTINGS,
            **kafka_environment(self.kafka),
            "FAISS_PATH": str(self.folder / "documents.sqlite"),
            "EMBEDDER": "hashing",
        }

    def dlq(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "services.processor", "dlq", *arguments],
            env=self.environment,
            stdin=stdin,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )

    def listed(self) -> list[dict[str, object]]:
        done = self.dlq("list", "--json")
        assert done.returncode == 0, done.stderr
        letters: list[dict[str, object]] = json.loads(done.stdout)["letters"]
        return letters

    def send(self, *records: OutgoingRecord) -> None:
        with closing(build_producer(self.kafka, "test")) as producer:
            for record in records:
                producer.send(record)
            assert producer.flush(30) == 0

    def documents(self) -> list[Record]:
        with open_topic(self.kafka, self.kafka.topic) as reader:
            return [record for batch in reader.batches() for record in batch]

    def indexed(self, document_id: str) -> bool:
        embedder = HashingEmbedder()
        settings = VectorStoreSettings(faiss_path=self.folder / "documents.sqlite")
        with closing(open_vector_store(settings, embedder_name=embedder.name, dimension=384)) as store:
            return document_id in store.get_many([document_id])


@pytest.fixture
def operator(broker: str, tmp_path: Path) -> Operator:
    name = f"documents-{uuid.uuid4()}"
    kafka = KafkaSettings(bootstrap_servers=broker, topic=name, dlq_topic=f"{name}.dlq", group_id=name)
    ensure_topics(kafka, 10)
    return Operator(kafka, tmp_path)


def an_event(document_id: str, text: str = "Some text.") -> DocumentEvent:
    document = Document(document_id, "test", "Title", text, "", 1, NOW)
    return DocumentEvent(Operation.UPSERT, new_event_id(), NOW, document)


def a_letter(
    operator: Operator, value: bytes | None, reason: str = "malformed_json", origin: str = "documents/1@5"
) -> OutgoingRecord:
    headers = {"reason": reason, "detail": "why \x1b[31m", "origin": origin, "failed_at": format_time(NOW)}
    return OutgoingRecord(
        operator.kafka.dlq_topic,
        b"key",
        value,
        (("x", b"kept"), *((f"dlq.{name}", text.encode()) for name, text in headers.items())),
    )


def test_poison_that_was_cured_is_processed_after_a_redrive(operator: Operator) -> None:
    operator.send(document_record(operator.kafka.topic, an_event("test:large", "Large text. " * 200)))
    processor = [sys.executable, "-m", "services.processor"]
    environment = {**operator.environment, "METRICS_PORT": str(free_port())}
    with running(processor, operator.folder / "first.log", {**environment, "MAX_EVENT_BYTES": "1024"}):
        wait_until(lambda: len(operator.listed()) == 1, TIMEOUT, "a dead letter", 0.2)
    [letter] = operator.listed()
    assert (letter["reason"], letter["key"], letter["can_redrive"]) == ("too_large", "test:large", True)
    done = operator.dlq("redrive", str(letter["place"]))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"Sent 1 of 1 letters back to {operator.kafka.topic}, each confirmed.\n"
    with running(processor, operator.folder / "second.log", environment):
        wait_until(lambda: operator.indexed("test:large"), TIMEOUT, "the cured document", 0.1)
    operator.dlq("redrive", str(letter["place"]))
    assert len({record.value for record in operator.documents()}) == 1
    assert len(operator.documents()) == 3


def test_an_empty_queue_is_a_line(operator: Operator) -> None:
    done = operator.dlq("list")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"No dead letters.\n", b"")


def test_list_and_show_are_harmless_to_a_terminal_and_raw_is_exact(operator: Operator) -> None:
    value = b'{"a": "\x1b[31m\xff'
    operator.send(a_letter(operator, value))
    for command in (["list"], ["show", str(operator.listed()[0]["place"])]):
        done = operator.dlq(*command)
        assert done.returncode == 0
        assert b"\x1b" not in done.stdout + done.stderr
        assert rb"why \x1b[31m" in done.stdout
    assert operator.dlq("show", str(operator.listed()[0]["place"]), "--raw").stdout == value


def test_what_cannot_go_back_is_said_and_is_not_a_success(operator: Operator) -> None:
    event = encode_event(an_event("test:1"))
    operator.send(
        a_letter(operator, event),
        a_letter(operator, b"raw", origin="wikimedia:mediawiki.page_change.v1"),
        a_letter(operator, None, reason="too_large"),
    )
    dry = operator.dlq("redrive", "--all", "--dry-run")
    assert dry.returncode == 1
    assert b"1 letters would go to" in dry.stdout
    assert operator.documents() == []
    done = operator.dlq("redrive", "--all", "--yes")
    assert done.returncode == 1
    lines = done.stdout.decode().splitlines()
    assert sum(line.startswith("1 cannot be sent back: ") for line in lines) == 2
    assert lines[-1] == f"Sent 1 of 3 letters back to {operator.kafka.topic}, each confirmed."
    [record] = operator.documents()
    assert record.value == event
    assert [name for name, _ in record.headers] == ["x", "dlq.redriven"]


def test_all_asks_first(operator: Operator) -> None:
    operator.send(a_letter(operator, b"{}"))
    refused = operator.dlq("redrive", "--all")
    assert refused.returncode == 2
    assert refused.stderr == b"dlq redrive: --all: without a terminal to ask on, give --yes too\n"
    for answer, code, sent in ((b"n\n", 1, 0), (b"y\n", 0, 1)):
        ours, theirs = pty.openpty()
        os.write(ours, answer)
        done = operator.dlq("redrive", "--all", stdin=theirs)
        os.close(ours)
        os.close(theirs)
        assert done.returncode == code, done.stderr
        assert len(operator.documents()) == sent


def test_a_place_without_a_letter_and_a_broker_that_is_away_are_one_line(operator: Operator) -> None:
    gone = operator.dlq("redrive", "2@999")
    assert (gone.returncode, gone.stdout) == (1, b"")
    assert gone.stderr == b"dlq redrive: no dead letter at 2@999: `dlq list` shows where there are any\n"
    away = operator.kafka.model_copy(update={"bootstrap_servers": f"127.0.0.1:{free_port()}"})
    lost = Operator(away, operator.folder).dlq("list")
    assert lost.returncode == 1
    [line] = lost.stderr.decode().splitlines()
    assert line.startswith("dlq list: no broker answers at KAFKA_BOOTSTRAP_SERVERS=")
