"""The application over in-memory ports, behind Starlette's test client."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from services.api.answering.events import AnswerEvent, AskResult, Done, IsAbandoned
from services.api.answering.prompt import PassageUse
from services.api.answering.question_embedder import QuestionEmbedder
from services.api.app import create_app
from services.api.auth import KeyRing
from services.api.dependencies import Dependencies, Names
from services.api.publisher import DocumentPublisher
from services.api.readiness import Readiness
from services.api.retrieval.scope import Scope
from services.api.settings import ApiSettings
from services.api.versions import VersionLedger
from services.api.watching.board import TooManyWatches, Watch
from shared.domain import Answer, Chunk, Citation, Document, Hit, Outcome
from shared.embedder.hashing import HashingEmbedder
from shared.events import DocumentEvent, decode_event
from shared.messaging.memory_broker import MemoryBroker
from shared.observability.metrics import ApiMetrics
from shared.ports import EmbeddedDocument
from shared.vector_store.memory_store import MemoryStore

if TYPE_CHECKING:
    from shared.ports import Embedding

KEY = "a-key-for-tests-only"
TOPIC = "documents"
NOW = datetime(2026, 11, 22, 9, 30, 0, 250_000, tzinfo=UTC)
MAX_BODY_BYTES = 8192
MAX_DOCUMENT_BYTES = 6000


class FixedClock:
    def __init__(self) -> None:
        self.moment = NOW
        self.seconds = 1000.0

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class NoRoom:
    """For standing questions; tests/integration/test_watch.py has some."""

    def add(self, *_: object) -> Watch:
        raise TooManyWatches("no room")

    def remove(self, watch: Watch) -> None:
        raise AssertionError(watch)


class CannedAnswering:
    """Answers with what the test put there, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.searches: list[str] = []
        self.on_ask: Callable[[], object] = lambda: None
        self.hits: list[Hit] = []
        self.error: Exception | None = None
        self.late_error: Exception | None = None
        self.events: list[AnswerEvent] = []
        self.result = AskResult(
            answer=Answer(
                "The toll is 41 [1].",
                Outcome.ANSWERED,
                (
                    Citation(
                        marker=1,
                        document_id="meridianwiki:7",
                        title="Velmora earthquake",
                        url="https://meridian.wiki.example/Velmora",
                        revision=12,
                        updated_at=NOW - timedelta(seconds=12),
                        quote="The toll is 41.",
                        score=0.83,
                        ingest_trace_id="5b8efff798038103d269b633813fc60c",
                    ),
                ),
            ),
            as_of=NOW - timedelta(milliseconds=500),
            model="extractive",
            input_tokens=11,
            output_tokens=5,
            timings_ms={"embed": 1.5, "total": 9.25},
            passages=PassageUse(used=2, dropped=1, shortened=0),
        )

    def ask(self, question: str, scope: Scope, *, is_abandoned: IsAbandoned, **arguments: Any) -> AskResult:
        self._note(question, scope, arguments)
        return self.result

    def stream(
        self, question: str, scope: Scope, *, is_abandoned: IsAbandoned, **arguments: Any
    ) -> Generator[AnswerEvent, None, None]:
        self._note(question, scope, arguments)
        yield from self.events
        if self.late_error is not None:
            raise self.late_error
        yield Done(self.result)

    def catch_up(self) -> None:
        self.searches.append("caught up")

    def search(
        self, question: str, embedding: Embedding, scope: Scope, *, in_batch: bool = False
    ) -> list[Hit]:
        self.searches.append(f"{question} in batch" if in_batch else question)
        self._note(question, scope, {})
        return self.hits

    def _note(self, question: str, scope: Scope, arguments: dict[str, Any]) -> None:
        self.asked.append({"question": question, "scope": scope, **arguments})
        self.on_ask()
        if self.error is not None:
            raise self.error


@dataclass
class Api:
    """The client sends the key; ``anonymous`` does not."""

    client: TestClient
    anonymous: TestClient
    store: MemoryStore
    broker: MemoryBroker
    answering: CannedAnswering
    clock: FixedClock
    registry: CollectorRegistry
    spans: InMemorySpanExporter
    keys_file: Path
    failing_checks: dict[str, Exception] = field(default_factory=dict)

    def events(self) -> list[DocumentEvent]:
        return [decode_event(record.value) for record in self.broker.records(TOPIC)]

    def put(self, document_id: str, *, revision: int = 3, updated_at: datetime = NOW) -> Document:
        document = Document(
            document_id=document_id,
            source="wikimedia",
            title=f"About {document_id}",
            text="Two chunks. Of text.",
            url="https://meridian.wiki.example/",
            revision=revision,
            updated_at=updated_at,
            attributes={"wiki": "meridianwiki", "namespace": 0, "bot": False},
            ingest_trace_id="9c8efff798038103d269b633813fc60c",
        )
        chunks = tuple(Chunk(document_id, number, f"Chunk {number}.", f"hash-{number}") for number in (0, 1))
        embedding = np.array([1, 0], dtype=np.float32)
        self.store.replace([EmbeddedDocument(document, chunks, (embedding, embedding))])
        return document


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    keys_file = tmp_path / "api-keys"
    keys_file.write_text(f"# for tests\n{KEY}\n")
    keys_file.chmod(0o600)
    settings = ApiSettings(
        max_body_bytes=MAX_BODY_BYTES, MAX_EVENT_BYTES=MAX_DOCUMENT_BYTES + 4096, threads=4, _env_file=None
    )
    assert settings.max_document_bytes == MAX_DOCUMENT_BYTES
    clock = FixedClock()
    store = MemoryStore(dimension=2, clock=clock)
    broker = MemoryBroker()
    producer = broker.producer()
    answering = CannedAnswering()
    registry = CollectorRegistry()
    metrics = ApiMetrics(registry)
    spans = InMemorySpanExporter()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    failing_checks: dict[str, Exception] = {}

    def broker_check() -> None:
        if "broker" in failing_checks:
            raise failing_checks["broker"]

    app = create_app(
        Dependencies(
            settings=settings,
            answering=answering,
            question_embedder=QuestionEmbedder(HashingEmbedder(2)),
            store=store,
            publisher=DocumentPublisher(producer, TOPIC, 5.0, clock, metrics),
            versions=VersionLedger(clock),
            watches=NoRoom(),
            readiness=Readiness({"store": store.stats, "broker": broker_check}, clock),
            names=Names(embedder="hashing", llm="extractive", store="memory"),
            keys=KeyRing(keys_file),
            metrics=metrics,
            registry=registry,
            tracer=tracing.get_tracer("test"),
            clock=clock,
            started=clock.monotonic(),
            search_threads=2,
        )
    )
    with (
        TestClient(app, headers={"Authorization": f"Bearer {KEY}"}) as client,
        TestClient(app) as anonymous,
    ):
        yield Api(
            client, anonymous, store, broker, answering, clock, registry, spans, keys_file, failing_checks
        )
    producer.close()
    store.close()
