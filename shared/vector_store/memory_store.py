"""The reference store: exact, in this process only, as simple as the port's laws allow.

The contract tests hold every other store against it.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shared.clock import SystemClock
from shared.domain import (
    Change,
    ChangeKind,
    ChangePage,
    Chunk,
    Document,
    Hit,
    Match,
    SearchFilter,
    StoredDocument,
    StoreFootprint,
    StoreStats,
    Version,
    WriteOutcome,
    truncate_to_milliseconds,
)
from shared.errors import CursorExpired, StoreUnavailable
from shared.ports import Clock, EmbeddedDocument
from shared.vector_store import laws

if TYPE_CHECKING:
    from shared.ports import Embedding, Embeddings


@dataclass(frozen=True, slots=True)
class _Entry:
    """The newest state of one document id; ``content`` is ``None`` once removed.

    ``blocks`` is false after a purge: the document may come back with any version.
    """

    seq: int
    version: Version
    indexed_at: datetime
    content: StoredDocument | None
    embeddings: tuple[Embedding, ...]
    blocks: bool


class _Scored(NamedTuple):
    document: Document
    chunk: Chunk
    score: float


class MemoryStore:
    """Everything in one dictionary, under one lock."""

    def __init__(self, dimension: int = 384, clock: Clock | None = None) -> None:
        self._dimension = dimension
        self._clock: Clock = clock or SystemClock()
        self._store_id = uuid.uuid4().hex
        self._entries: dict[str, _Entry] = {}
        self._last_seq = 0
        self._forgotten_seq = 0
        self._last_indexed_at: datetime | None = None
        self._lock = threading.Lock()
        self._closed = False

    def replace(self, documents: Sequence[EmbeddedDocument]) -> list[WriteOutcome]:
        items = [laws.checked(item, self._dimension) for item in documents]
        with self._lock:
            self._require_open()
            return [self._replace_one(item) for item in items]

    def _replace_one(self, item: EmbeddedDocument) -> WriteOutcome:
        document = item.document
        outcome = laws.judge(self._blocking_version(document.document_id), document.version)
        if outcome is WriteOutcome.APPLIED:
            embeddings = self._resolve(item)
            if embeddings is None:
                return WriteOutcome.UNRESOLVED
            now = self._now()
            content = StoredDocument(
                document, tuple(sorted(item.chunks, key=lambda chunk: chunk.ordinal)), now
            )
            self._put(document.document_id, document.version, now, content, embeddings, blocks=True)
        return outcome

    def _resolve(self, item: EmbeddedDocument) -> tuple[Embedding, ...] | None:
        """The embeddings in order of ordinal, reused ones looked up; ``None`` where one is missing."""
        stored = self._entries.get(item.document.document_id)
        known: dict[str, Embedding] = {}
        if stored and stored.content:
            known = {
                chunk.content_hash: embedding
                for chunk, embedding in zip(stored.content.chunks, stored.embeddings, strict=True)
            }
        resolved: dict[int, Embedding] = {}
        for chunk, embedding in zip(item.chunks, item.embeddings, strict=True):
            if embedding is None and chunk.content_hash not in known:
                return None
            resolved[chunk.ordinal] = known[chunk.content_hash] if embedding is None else embedding.copy()
        return tuple(resolved[ordinal] for ordinal in sorted(resolved))

    def flush(self) -> None:
        with self._lock:
            self._require_open()

    def delete(self, document_id: str, version: Version) -> WriteOutcome:
        version = laws.truncated(version)
        with self._lock:
            self._require_open()
            outcome = laws.judge(self._blocking_version(document_id), version)
            if outcome is WriteOutcome.APPLIED:
                self._put(document_id, version, self._now(), None, (), blocks=True)
            return outcome

    def content_hashes(self, document_ids: Sequence[str]) -> dict[str, frozenset[str]]:
        with self._lock:
            self._require_open()
            return {
                document_id: frozenset(chunk.content_hash for chunk in entry.content.chunks)
                for document_id in document_ids
                if (entry := self._entries.get(document_id)) and entry.content
            }

    def get_many(self, document_ids: Sequence[str]) -> dict[str, StoredDocument]:
        with self._lock:
            self._require_open()
            return {
                document_id: entry.content
                for document_id in document_ids
                if (entry := self._entries.get(document_id)) and entry.content
            }

    def embeddings(self, document_ids: Sequence[str]) -> dict[str, Embeddings]:
        with self._lock:
            self._require_open()
            return {
                document_id: np.array(entry.embeddings, np.float32).reshape(-1, self._dimension)
                for document_id in document_ids
                if (entry := self._entries.get(document_id)) and entry.content
            }

    def search(self, embedding: Embedding, top_k: int, where: SearchFilter | None = None) -> list[Hit]:
        return [_hit(*scored) for scored in self._ranked(embedding, top_k, where)]

    def nearest(self, embedding: Embedding, top_k: int, where: SearchFilter | None = None) -> list[Match]:
        return [
            Match(chunk.document_id, chunk.ordinal, score)
            for _, chunk, score in self._ranked(embedding, top_k, where)
        ]

    def _ranked(self, embedding: Embedding, top_k: int, where: SearchFilter | None) -> list[_Scored]:
        laws.checked_count("top_k", top_k)
        query = laws.checked_embedding(embedding, self._dimension)
        with self._lock:
            self._require_open()
            scored = [
                scored
                for entry in self._entries.values()
                if entry.content and (where is None or where.matches(entry.content.document))
                for scored in _scored(entry.content, entry.embeddings, query)
            ]
        return sorted(scored, key=lambda scored: (-scored.score, scored.chunk.chunk_id))[:top_k]

    def changes(self, after: str | None, limit: int) -> ChangePage:
        laws.checked_count("limit", limit)
        with self._lock:
            self._require_open()
            last, floor = self._position(after)
            newer = sorted(
                (entry.seq, document_id, entry)
                for document_id, entry in self._entries.items()
                if entry.seq > last
            )[:limit]
        changes = tuple(
            Change(
                document_id,
                _kind(entry),
                entry.version,
                entry.indexed_at,
            )
            for _, document_id, entry in newer
        )
        return ChangePage(changes, f"{self._store_id}:{newer[-1][0] if newer else last}:{floor}")

    def _position(self, after: str | None) -> tuple[int, int]:
        """The number of the last change that the reader has seen, and of the last one that was forgotten
        before it began: those it cannot have missed."""
        if after is None:
            return 0, self._forgotten_seq
        store_id, *numbers = after.split(":")
        if store_id != self._store_id:
            raise CursorExpired("the cursor is of another store")
        last, floor = map(int, numbers)
        if self._forgotten_seq > max(last, floor):
            raise CursorExpired("removals after the cursor have been forgotten")
        return last, floor

    def stats(self) -> StoreStats:
        with self._lock:
            self._require_open()
            entries = list(self._entries.values())
        live = [entry.content for entry in entries if entry.content]
        event_times = [entry.version.updated_at for entry in entries if entry.blocks]
        return StoreStats(
            documents=len(live),
            chunks=sum(len(content.chunks) for content in live),
            tombstones=sum(entry.blocks for entry in entries) - len(live),
            as_of=min(max(event_times), self._now()) if event_times else None,
            last_indexed_at=self._last_indexed_at,
        )

    def footprint(self) -> StoreFootprint:
        with self._lock:
            self._require_open()
            live = [entry for entry in self._entries.values() if entry.content]
        return StoreFootprint(sum(map(_bytes_of, live)), None)

    def purge(self, max_age: timedelta | None, max_chunks: int | None) -> int:
        with self._lock:
            self._require_open()
            live = sorted(
                (entry.content.document.updated_at, document_id, len(entry.content.chunks))
                for document_id, entry in self._entries.items()
                if entry.content
            )
            now = self._now()
            chunks_left = sum(chunks for _, _, chunks in live)
            removed = 0
            for updated_at, document_id, chunks in live:
                too_old = max_age is not None and now - updated_at > max_age
                too_many = max_chunks is not None and chunks_left > max_chunks
                if not (too_old or too_many):
                    break
                self._put(document_id, self._entries[document_id].version, now, None, (), blocks=False)
                chunks_left -= chunks
                removed += 1
            return removed

    def expire_tombstones(self, older_than: timedelta) -> int:
        with self._lock:
            self._require_open()
            now = self._now()
            expired = {
                document_id: entry.seq
                for document_id, entry in self._entries.items()
                if not entry.content and now - entry.indexed_at > older_than
            }
            for document_id in expired:
                del self._entries[document_id]
            self._forgotten_seq = max([self._forgotten_seq, *expired.values()])
            return len(expired)

    def close(self) -> None:
        with self._lock:
            self._closed = True

    def _blocking_version(self, document_id: str) -> Version | None:
        entry = self._entries.get(document_id)
        return entry.version if entry and entry.blocks else None

    def _put(
        self,
        document_id: str,
        version: Version,
        indexed_at: datetime,
        content: StoredDocument | None,
        embeddings: tuple[Embedding, ...],
        *,
        blocks: bool,
    ) -> None:
        self._last_seq += 1
        self._last_indexed_at = indexed_at
        self._entries[document_id] = _Entry(self._last_seq, version, indexed_at, content, embeddings, blocks)

    def _now(self) -> datetime:
        return truncate_to_milliseconds(self._clock.now())

    def _require_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the vector store is closed")


def _kind(entry: _Entry) -> ChangeKind:
    if entry.content:
        return ChangeKind.INDEXED
    return ChangeKind.REMOVED if entry.blocks else ChangeKind.PURGED


def _bytes_of(entry: _Entry) -> int:
    """Of texts and embeddings, which are nearly all of it."""
    chunks = entry.content.chunks if entry.content else ()
    return sum(len(chunk.text.encode()) for chunk in chunks) + sum(row.nbytes for row in entry.embeddings)


def _scored(stored: StoredDocument, embeddings: tuple[Embedding, ...], query: Embedding) -> list[_Scored]:
    if not embeddings:
        return []
    scores = laws.cosine(np.stack(embeddings), query).tolist()
    return [
        _Scored(stored.document, chunk, score) for chunk, score in zip(stored.chunks, scores, strict=True)
    ]


def _hit(document: Document, chunk: Chunk, score: float) -> Hit:
    return Hit(
        chunk_id=chunk.chunk_id,
        document_id=document.document_id,
        source=document.source,
        title=document.title,
        url=document.url,
        text=chunk.text,
        revision=document.revision,
        updated_at=document.updated_at,
        score=score,
        attributes=document.attributes,
        ingest_trace_id=document.ingest_trace_id,
    )
