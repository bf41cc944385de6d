"""Events, records and doubles for the processor's unit tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from services.processor.chunker import Chunker
from services.processor.work import Ticket, Work
from shared.domain import Document, Version, WriteOutcome
from shared.embedder.hashing import HashingEmbedder
from shared.errors import RagError, WritesLost
from shared.events import DocumentEvent, Operation, encode_event
from shared.ports import EmbeddedDocument, Record
from shared.vector_store.memory_store import MemoryStore

if TYPE_CHECKING:
    from shared.ports import Embeddings

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def an_event(
    document_id: str = "test:1",
    revision: int = 1,
    text: str = "Some text.",
    op: Operation = Operation.UPSERT,
    title: str = "Title",
) -> DocumentEvent:
    document = Document(
        document_id=document_id,
        source="test",
        title=title,
        text=text,
        url="",
        revision=revision,
        updated_at=EPOCH + timedelta(seconds=revision),
    )
    return DocumentEvent(op, f"event-{document_id}-{revision}", EPOCH, document)


def a_record(value: bytes | DocumentEvent | None, offset: int = 0, partition: int = 0) -> Record:
    if isinstance(value, DocumentEvent):
        value = encode_event(value)
    return Record("documents", partition, offset, b"key", value, (), 0)


def a_ticket(value: bytes | DocumentEvent | None, offset: int = 0, partition: int = 0) -> Ticket:
    return Ticket(a_record(value, offset, partition))


def a_work(event: DocumentEvent, chunker: Chunker, known: frozenset[str] | None = frozenset()) -> Work:
    chunks = () if event.op is Operation.DELETE else chunker.chunk(event.document)
    return Work(a_ticket(event), event, chunks, known)


class FakeClock:
    """Time passes only when someone sleeps or waits on it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class CountingEmbedder(HashingEmbedder):
    """Remembers what it embedded, call by call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> Embeddings:
        self.calls.append(list(texts))
        return super().embed(texts)


class FlakyStore(MemoryStore):
    """Raises each of ``failures`` once, before the write does anything."""

    def __init__(self) -> None:
        super().__init__()
        self.replace_failures: list[RagError] = []
        self.delete_failures: list[RagError] = []
        self.flush_failures: list[RagError] = []
        self.flushes = 0
        self.on_lost: Callable[[], None] = lambda: None
        self._flushed = copy(self._entries)

    def replace(self, documents: Sequence[EmbeddedDocument]) -> list[WriteOutcome]:
        if self.replace_failures:
            raise self.replace_failures.pop(0)
        return super().replace(documents)

    def delete(self, document_id: str, version: Version) -> WriteOutcome:
        if self.delete_failures:
            raise self.delete_failures.pop(0)
        return super().delete(document_id, version)

    def flush(self) -> None:
        self.flushes += 1
        if self.flush_failures:
            failure = self.flush_failures.pop(0)
            if isinstance(failure, WritesLost):
                self.on_lost()
            raise failure
        super().flush()
        self._flushed = copy(self._entries)

    def forget_unflushed(self) -> None:
        """As after a failover."""
        self._entries = copy(self._flushed)
