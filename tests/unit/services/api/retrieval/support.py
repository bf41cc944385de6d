"""An index over a real store in memory, with an embedder that needs no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from services.processor.chunker import Chunker
from shared.domain import AttributeValue, Document, StoredDocument, Version
from shared.embedder.hashing import HashingEmbedder
from shared.ports import EmbeddedDocument, VectorStore
from shared.vector_store.memory_store import MemoryStore

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
EMBEDDER = HashingEmbedder()
CHUNKER = Chunker(EMBEDDER.count_tokens, 64, 12)


def a_document(
    document_id: str,
    text: str,
    *,
    revision: int = 1,
    title: str = "Title",
    source: str = "api",
    attributes: Mapping[str, AttributeValue] | None = None,
    updated_at: datetime | None = None,
) -> Document:
    moment = updated_at or START + timedelta(seconds=revision)
    url = f"https://wiki.example/{document_id}"
    return Document(document_id, source, title, text, url, revision, moment, dict(attributes or {}))


def put(store: VectorStore, *documents: Document) -> None:
    embedded = []
    for document in documents:
        chunks = CHUNKER.chunk(document)
        embeddings = EMBEDDER.embed([item.text for item in chunks])
        embedded.append(EmbeddedDocument(document, tuple(item.chunk for item in chunks), tuple(embeddings)))
    store.replace(embedded)


def remove(store: VectorStore, document_id: str, revision: int) -> None:
    store.delete(document_id, Version(revision, START + timedelta(seconds=revision)))


def stored_documents(*documents: Document) -> dict[str, StoredDocument]:
    store = MemoryStore(EMBEDDER.dimension)
    put(store, *documents)
    return store.get_many([document.document_id for document in documents])


@dataclass
class FixedClock:
    moment: datetime = START
    seconds: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def numbered(words: Sequence[str]) -> str:
    """One sentence for each word."""
    return " ".join(f"The {word} stands here in the year." for word in words)
