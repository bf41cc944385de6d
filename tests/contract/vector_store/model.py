"""The port's laws in one dictionary. It judges every store, the reference among them, so it shares no
code with any: what is written twice would be wrong twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from shared.domain import (
    Change,
    ChangeKind,
    Chunk,
    Document,
    Hit,
    SearchFilter,
    StoreStats,
    Version,
    WriteOutcome,
)
from shared.ports import EmbeddedDocument
from tests.contract.vector_store.builders import ManualClock
from tests.contract.vector_store.checks import PartOf


class Content(NamedTuple):
    document: Document
    chunks: tuple[tuple[Chunk, np.ndarray], ...]


@dataclass(frozen=True, slots=True)
class State:
    """The newest thing that happened to one document; ``position`` is its place in the feed."""

    position: int
    version: Version
    at: datetime
    content: Content | None = None
    purged: bool = False

    @property
    def kind(self) -> ChangeKind:
        if self.content:
            return ChangeKind.INDEXED
        return ChangeKind.PURGED if self.purged else ChangeKind.REMOVED


@dataclass(slots=True)
class Follower:
    """How far somebody has read each part of the feed. What was ``forgotten_before`` the first page cannot
    be missed; ``None`` before that page."""

    positions: dict[int, int] = field(default_factory=dict)
    forgotten_before: dict[int, int] | None = None


@dataclass(slots=True)
class Model:
    clock: ManualClock
    part_of: PartOf
    states: dict[str, State] = field(default_factory=dict)
    position: int = 0
    last_indexed_at: datetime | None = None
    forgotten: dict[int, int] = field(default_factory=dict)

    def replace(self, batch: list[EmbeddedDocument]) -> list[WriteOutcome]:
        return [self._replace(item) for item in batch]

    def _replace(self, item: EmbeddedDocument) -> WriteOutcome:
        document = item.document
        refusal = self._refusal(document.document_id, document.version)
        if refusal:
            return refusal
        state = self.states.get(document.document_id)
        known = {}
        if state and state.content:
            known = {chunk.content_hash: vector for chunk, vector in state.content.chunks}
        chunks = []
        for chunk, vector in zip(item.chunks, item.embeddings, strict=True):
            if vector is None and chunk.content_hash not in known:
                return WriteOutcome.UNRESOLVED
            chunks.append((chunk, known[chunk.content_hash] if vector is None else vector))
        self._put(document.document_id, document.version, Content(document, tuple(chunks)))
        return WriteOutcome.APPLIED

    def delete(self, document_id: str, version: Version) -> WriteOutcome:
        refusal = self._refusal(document_id, version)
        if refusal:
            return refusal
        self._put(document_id, version)
        return WriteOutcome.APPLIED

    def _refusal(self, document_id: str, version: Version) -> WriteOutcome | None:
        state = self.states.get(document_id)
        if state is None or state.purged:
            return None
        stored = (state.version.revision, state.version.updated_at)
        incoming = (version.revision, version.updated_at)
        if incoming == stored:
            return WriteOutcome.DUPLICATE
        return WriteOutcome.STALE if incoming < stored else None

    def _put(
        self, document_id: str, version: Version, content: Content | None = None, *, purged: bool = False
    ) -> None:
        self.position += 1
        self.last_indexed_at = self.clock.now()
        self.states[document_id] = State(self.position, version, self.clock.now(), content, purged)

    def purge(self, max_age: timedelta | None, max_chunks: int | None) -> int:
        oldest_first = sorted(self.live(), key=lambda content: _age_key(content.document))
        removed = 0
        for content in oldest_first:
            document = content.document
            left = sum(len(other.chunks) for other in self.live())
            is_old = max_age is not None and document.updated_at < self.clock.now() - max_age
            is_too_much = max_chunks is not None and left > max_chunks
            if not is_old and not is_too_much:
                break
            self._put(document.document_id, document.version, purged=True)
            removed += 1
        return removed

    def expire(self, older_than: timedelta) -> int:
        gone = [
            (document_id, state)
            for document_id, state in self.states.items()
            if not state.content and state.at < self.clock.now() - older_than
        ]
        for document_id, state in gone:
            del self.states[document_id]
            part = self.part_of(document_id)
            self.forgotten[part] = max(self.forgotten.get(part, 0), state.position)
        return len(gone)

    def live(self) -> list[Content]:
        return [state.content for state in self.states.values() if state.content]

    def hits(self, query: np.ndarray, where: SearchFilter | None) -> list[Hit]:
        """All that match, best first; scores to six digits."""
        hits = []
        for document, chunks in self.live():
            if where is None or _passes(document, where):
                hits += [_hit(document, chunk, vector, query) for chunk, vector in chunks]
        return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))

    def stats(self) -> StoreStats:
        times = [state.version.updated_at for state in self.states.values() if not state.purged]
        return StoreStats(
            documents=len(self.live()),
            chunks=sum(len(content.chunks) for content in self.live()),
            tombstones=sum(state.kind is ChangeKind.REMOVED for state in self.states.values()),
            as_of=min(max(times), self.clock.now()) if times else None,
            last_indexed_at=self.last_indexed_at,
        )

    def pending(self, follower: Follower) -> dict[int, list[tuple[int, Change]]]:
        """By part: what the follower has not seen, in order, with positions."""
        parts: dict[int, list[tuple[int, Change]]] = {}
        for document_id, state in sorted(self.states.items(), key=lambda entry: entry[1].position):
            part = self.part_of(document_id)
            if state.position > follower.positions.get(part, 0):
                change = Change(document_id, state.kind, state.version, state.at)
                parts.setdefault(part, []).append((state.position, change))
        return parts

    def has_missed(self, follower: Follower) -> bool:
        """Whether a removal that it has not seen is forgotten."""
        floors = follower.forgotten_before
        return floors is not None and any(
            position > max(follower.positions.get(part, 0), floors.get(part, 0))
            for part, position in self.forgotten.items()
        )

    def advance(self, follower: Follower, changes: tuple[Change, ...], limit: int) -> None:
        """Judge one page, and go on after it."""
        pending = self.pending(follower)
        assert len(changes) <= limit
        assert bool(changes) == bool(pending), f"got {changes}, pending is {pending}"
        for change in changes:
            part = self.part_of(change.document_id)
            position, expected = pending[part].pop(0)
            assert change == expected
            follower.positions[part] = position
        if follower.forgotten_before is None:
            follower.forgotten_before = dict(self.forgotten)


def _age_key(document: Document) -> tuple[datetime, str]:
    return document.updated_at, document.document_id


def _passes(document: Document, where: SearchFilter) -> bool:
    values = document.attributes
    if where.wikis and not any(values.get("wiki") == wiki for wiki in where.wikis):
        return False
    if where.namespaces and not any(values.get("namespace") == number for number in where.namespaces):
        return False
    if where.sources and not any(document.source == source for source in where.sources):
        return False
    if where.exclude_bots and values.get("bot") is True:
        return False
    too_early = where.since is not None and document.updated_at < where.since
    too_late = where.until is not None and document.updated_at > where.until
    return not (too_early or too_late)


def _hit(document: Document, chunk: Chunk, vector: np.ndarray, query: np.ndarray) -> Hit:
    score = sum(float(one) * float(other) for one, other in zip(vector, query, strict=True))
    return Hit(
        chunk_id=f"{document.document_id}#{chunk.ordinal}",
        document_id=document.document_id,
        source=document.source,
        title=document.title,
        url=document.url,
        text=chunk.text,
        revision=document.revision,
        updated_at=document.updated_at,
        score=round(score, 6),
        attributes=document.attributes,
        ingest_trace_id=document.ingest_trace_id,
    )
