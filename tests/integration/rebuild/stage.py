"""One topic, one store, and the real processes around them: what a rebuild meets."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.broker import GROUP_SETTINGS
from services.processor.chunker import Chunker
from services.processor.settings import ProcessorSettings
from shared.domain import Version
from shared.embedder.hashing import HashingEmbedder
from shared.events import decode_event
from shared.messaging.factory import build_producer
from shared.ports import EmbeddedDocument, OutgoingRecord, VectorStore
from shared.settings import KafkaSettings, VectorStoreSettings
from shared.vector_store.factory import open_vector_store
from tests.support.event_history import MAX_EVENT_BYTES, Message
from tests.support.kafka_environment import kafka_environment
from tests.support.oracle import Contents, Oracle, contents_of
from tests.support.processes import free_port, running

TIMEOUT = 90.0
EMBEDDER = HashingEmbedder()
PROCESSOR = [sys.executable, "-m", "services.processor"]
DEFAULTS = ProcessorSettings()
CHUNKER = Chunker(EMBEDDER.count_tokens, DEFAULTS.chunk_tokens, DEFAULTS.chunk_window_tokens)
ORACLE = Oracle(CHUNKER)


@dataclass(frozen=True)
class Stage:
    """One topic, one store, and the processes around them."""

    kafka: KafkaSettings
    store: dict[str, str]
    folder: Path
    started: ExitStack = field(default_factory=ExitStack)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **GROUP_SETTINGS,
            **self.store,
            **kafka_environment(self.kafka),
            "EMBEDDER": "hashing",
            "MAX_EVENT_BYTES": str(MAX_EVENT_BYTES),
        }

    @property
    def settings(self) -> VectorStoreSettings:
        return VectorStoreSettings(**{name.lower(): value for name, value in self.store.items()})  # type: ignore[arg-type]

    def processor(self, name: str = "processor") -> int:
        """Start one; its metrics port."""
        port = free_port()
        environment = {**self.environment, "METRICS_PORT": str(port)}
        self.started.enter_context(running(PROCESSOR, self.folder / f"{name}.log", environment))
        return port

    def searcher(self, question: str) -> tuple[subprocess.Popen[bytes], Path]:
        """Start one; it and its log."""
        log = self.folder / "search.log"
        command = [sys.executable, "-m", "tests.support.steady_search", question]
        return self.started.enter_context(running(command, log, self.environment)), log

    def rebuild(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*PROCESSOR, "rebuild", *arguments],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def rebuilt(self, *arguments: str) -> str:
        with self.rebuild(*arguments) as process:
            output, errors = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0, f"{output}\n{errors}"
        return output

    def send(self, messages: Sequence[Message]) -> None:
        with closing(build_producer(self.kafka, "test")) as producer:
            for message in messages:
                producer.send(OutgoingRecord(self.kafka.topic, message.key, message.value))
            assert producer.flush(TIMEOUT) == 0

    def write(self, messages: Sequence[Message], embedder: HashingEmbedder = EMBEDDER) -> None:
        """Straight into the store, as documents that no log holds."""
        with closing(self.opened(embedder)) as store:
            for message in messages:
                write_to(store, message, embedder)
            store.flush()

    def opened(self, embedder: HashingEmbedder = EMBEDDER) -> VectorStore:
        return open_vector_store(self.settings, embedder_name=embedder.name, dimension=embedder.dimension)

    def contents(self) -> Contents:
        with closing(self.opened()) as store:
            return contents_of(store)


def write_to(store: VectorStore, message: Message, embedder: HashingEmbedder) -> None:
    state = message.state
    assert state is not None
    if state.text is None:
        store.delete(state.document_id, Version(state.revision, state.updated_at))
        return
    document = decode_event(message.value).document
    chunks = Chunker(embedder.count_tokens, DEFAULTS.chunk_tokens, DEFAULTS.chunk_window_tokens).chunk(
        document
    )
    rows = embedder.embed([item.text for item in chunks])
    store.replace([EmbeddedDocument(document, tuple(item.chunk for item in chunks), tuple(rows))])


def expected(messages: Sequence[Message]) -> Contents:
    return ORACLE.contents(message.state for message in messages if message.state is not None)


def metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as response:
        text: str = response.read().decode()
    return text
