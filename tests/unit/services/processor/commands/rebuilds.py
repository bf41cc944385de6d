"""A rebuild between two memory stores and a memory log, while others write."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from services.processor.chunker import Chunker
from services.processor.commands.document_log import DocumentLog
from services.processor.commands.filling import Filler
from services.processor.commands.patience import Patience
from services.processor.commands.rebuilding import Rebuilder, Rebuilt, Retained
from shared.clock import SystemClock
from shared.domain import ChangePage, Document, StoredDocument, Version
from shared.embedder.hashing import HashingEmbedder
from shared.events import DocumentEvent, Operation, encode_event
from shared.messaging.memory_broker import MemoryBroker
from shared.ports import EmbeddedDocument, OutgoingRecord, VectorStore
from shared.resilience.backoff import Backoff
from shared.vector_store.memory_store import MemoryStore
from tests.support.memory_rebuild import MemoryRebuild, SealableStore
from tests.support.memory_topic import MemoryTopic

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW = HashingEmbedder(384), HashingEmbedder(64)
WORDS = ("river", "bridge", "council", "votes", "opens", "harbour", "storm", "2026")
Contents = dict[str, tuple[Version, str, tuple[str, ...]]]


def chunker(embedder: HashingEmbedder) -> Chunker:
    return Chunker(embedder.count_tokens, 40, 8)


def an_event(number: int, revision: int, text: str = "", op: Operation = Operation.UPSERT) -> DocumentEvent:
    document = Document(
        document_id=f"test:{number}",
        source="test",
        title=f"Page {number}",
        text=text or f"Text {revision} of page {number}.",
        url="",
        revision=revision,
        updated_at=EPOCH + timedelta(seconds=revision),
    )
    return DocumentEvent(op, f"event-{number}-{revision}", EPOCH, document)


def apply(store: VectorStore, event: DocumentEvent, embedder: HashingEmbedder = OLD) -> None:
    """As a processor would."""
    document = event.document
    if event.op is Operation.DELETE:
        store.delete(document.document_id, document.version)
        return
    chunks = chunker(embedder).chunk(document)
    rows = embedder.embed([item.text for item in chunks])
    store.replace([EmbeddedDocument(document, tuple(item.chunk for item in chunks), tuple(rows))])


def contents(store: VectorStore) -> Contents:
    found: Contents = {}
    ids = [change.document_id for change in store.changes(None, 100_000).changes]
    for document_id, stored in store.get_many(ids).items():
        texts = tuple(chunk.text for chunk in stored.chunks)
        found[document_id] = (stored.document.version, stored.document.text, texts)
    return found


def tombstones(store: VectorStore) -> dict[str, Version]:
    changes = store.changes(None, 100_000).changes
    return {change.document_id: change.version for change in changes if change.kind.value == "removed"}


def a_history(rng: random.Random, documents: int, events: int) -> list[DocumentEvent]:
    history = []
    for revision in range(1, events + 1):
        text = " ".join(" ".join(rng.choices(WORDS, k=9)) + "." for _ in range(rng.randrange(1, 12)))
        op = Operation.DELETE if rng.random() < 0.2 else Operation.UPSERT
        history.append(an_event(rng.randrange(documents), revision, text, op))
    return history


class BusyStore(SealableStore):
    """Calls ``meanwhile`` before each look at its feed: that is when other processes write."""

    def __init__(self) -> None:
        super().__init__(OLD.dimension)
        self.meanwhile: Callable[[], None] = lambda: None
        self.failures: list[Exception] = []

    def changes(self, after: str | None, limit: int) -> ChangePage:
        if self.failures:
            raise self.failures.pop(0)
        self.meanwhile()
        return super().changes(after, min(limit, 17))

    def get_many(self, document_ids: Sequence[str]) -> dict[str, StoredDocument]:
        self.meanwhile()
        return super().get_many(document_ids)


@dataclass
class Case:
    source: BusyStore = field(default_factory=BusyStore)
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    stop: threading.Event = field(default_factory=threading.Event)
    said: list[str] = field(default_factory=list)
    target: MemoryStore = field(default_factory=lambda: MemoryStore(NEW.dimension))
    patience_seconds: float = 60.0

    def __post_init__(self) -> None:
        self.rebuild = MemoryRebuild(self.source, self.target)
        clock = SystemClock()
        patience = Patience(self.stop, clock, Backoff(0.001, 0.002, random.Random(1)), self.patience_seconds)
        self.filler = Filler(chunker(NEW), NEW, self.target, 200, patience, self.stop)
        self.patience = patience
        self.clock = clock

    def rebuilder(self, retained: Retained | None = None) -> Rebuilder:
        return Rebuilder(
            self.rebuild,
            self.filler,
            self.patience,
            self.clock,
            self.stop,
            self.said.append,
            retained or Retained(),
        )

    def before_the_seal(self, action: Callable[[], None]) -> None:
        seal = self.rebuild.seal

        def seal_late() -> None:
            action()
            seal()

        self.rebuild.seal = seal_late  # type: ignore[method-assign]

    @property
    def log(self) -> DocumentLog:
        return DocumentLog(MemoryTopic(self.broker, "documents"), 100_000, self.stop)

    def commit(self, events: Iterable[DocumentEvent], *, to_log: bool = True, to_store: bool = True) -> None:
        for event in events:
            if to_log:
                key = event.document.document_id.encode()
                self.broker.append(OutgoingRecord("documents", key, encode_event(event)))
            if to_store:
                apply(self.source, event)

    def write_meanwhile(self, events: Sequence[DocumentEvent]) -> list[DocumentEvent]:
        """Half of it reaches the log late, or never; all that the store took while it could is returned."""
        left, taken = list(events), []

        def write() -> None:
            if left and not self.source.sealed:
                event = left.pop(0)
                self.commit([event], to_log=event.document.revision % 2 == 0)
                taken.append(event)

        self.source.meanwhile = write
        return taken

    def run(self, origin: str) -> Rebuilt:
        rebuilder = self.rebuilder()
        return rebuilder.from_stored() if origin == "stored" else rebuilder.from_log(self.log)


def undisturbed(events: Iterable[DocumentEvent]) -> MemoryStore:
    store = MemoryStore(NEW.dimension)
    for event in events:
        apply(store, event, NEW)
    return store
