"""A processor process as the tests run it, and what its store must hold in the end."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deploy.local.broker import GROUP_SETTINGS
from services.processor.chunker import Chunker
from services.processor.settings import ProcessorSettings
from shared.domain import Document
from shared.embedder.hashing import HashingEmbedder
from shared.events import DocumentEvent, Operation, new_event_id
from shared.messaging.factory import build_consumer, build_producer
from shared.ports import OutgoingRecord, Record
from shared.settings import KafkaSettings, VectorStoreSettings
from shared.vector_store.factory import open_vector_store
from tests.support.kafka_environment import kafka_environment
from tests.support.processes import running, wait_until

TIMEOUT = 150.0
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

Contents = dict[str, tuple[int, str, tuple[str, ...]]]
"""Document id → revision, text, chunk texts."""


@dataclass(frozen=True, slots=True)
class Stack:
    kafka: KafkaSettings
    folder: Path

    @property
    def store(self) -> VectorStoreSettings:
        return VectorStoreSettings(faiss_path=self.folder / "documents.sqlite")

    def processor(
        self, name: str, port: int, **settings: str
    ) -> AbstractContextManager[subprocess.Popen[bytes]]:
        environment = {
            "KAFKA_GROUP_PROTOCOL": self.kafka.group_protocol,
            "KAFKA_SESSION_TIMEOUT_MS": str(self.kafka.session_timeout_ms),
            "KAFKA_ASSIGNMENT_STRATEGY": self.kafka.assignment_strategy,
            **kafka_environment(self.kafka),
            "FAISS_PATH": str(self.folder / "documents.sqlite"),
            "EMBEDDER": "hashing",
            "METRICS_PORT": str(port),
            "LOG_LEVEL": "INFO",
            **settings,
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
            ids = [change.document_id for change in store.changes(None, 100_000).changes]
            found = store.get_many(ids)
        return {
            document_id: (
                stored.document.revision,
                stored.document.text,
                tuple(chunk.text for chunk in stored.chunks),
            )
            for document_id, stored in found.items()
        }


def a_stack(bootstrap_servers: str, folder: Path, **group: str) -> Stack:
    """A topic, a group and a store of its own; ``group`` overrides the group's settings."""
    name = f"documents-{uuid.uuid4()}"
    own = {key.removeprefix("KAFKA_").lower(): value for key, value in GROUP_SETTINGS.items()}
    kafka = KafkaSettings(
        bootstrap_servers=bootstrap_servers, topic=name, dlq_topic=f"{name}.dlq", group_id=name, **own | group
    )
    return Stack(kafka, folder)


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
    chunker = Chunker(HashingEmbedder().count_tokens, settings.chunk_tokens, settings.chunk_window_tokens)
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
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def is_ready(port: int) -> bool:
    return _is_ok(port, "ready")


def is_alive(port: int) -> bool:
    return _is_ok(port, "live")


def _is_ok(port: int, check: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/{check}", timeout=30) as response:
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
