"""Events → works: chunked, and knowing what the store has of them already."""

from __future__ import annotations

import time
from collections.abc import Sequence

from services.processor.chunker import Chunker, EmbeddableChunk
from services.processor.reading import Reading
from services.processor.recent import Made, RecentDocuments, text_key
from services.processor.spans import note_chunks
from services.processor.work import Ticket, Work
from shared.domain import Document
from shared.events import DocumentEvent, Operation
from shared.ports import VectorStore

_DELETED = b""


class Composer:
    """Belongs to one thread, but for ``forget``, which any may call."""

    def __init__(self, chunker: Chunker, store: VectorStore, recent: RecentDocuments) -> None:
        self._chunker = chunker
        self._store = store
        self._recent = recent
        self._must_forget = False

    def forget(self) -> None:
        """What was in flight is dropped, so what is remembered of it may never be written."""
        self._must_forget = True

    def compose(self, reading: Reading) -> list[Work]:
        """:raises StoreUnavailable: nothing is remembered of the reading; call again later."""
        if self._must_forget:
            self._must_forget = False
            self._recent.clear()
        unknown = [
            document_id
            for document_id, (_, event) in reading.events.items()
            if event.op is Operation.UPSERT and self._recent.get(document_id) is None
        ]
        stored = self._store.content_hashes(unknown) if unknown else {}
        composed = [
            self._compose(ticket, event, stored.get(document_id, frozenset()))
            for document_id, (ticket, event) in reading.events.items()
        ]
        doubtful = [work for work, _ in composed if stored.get(work.document_id) and work.fresh]
        outdated = self._outdated(doubtful) if doubtful else frozenset()
        for work, made in composed:
            if work.document_id in outdated:
                work.known = None
            elif made is not None:
                self._recent.put(work.document_id, made)
        return [work for work, _ in composed]

    def _compose(
        self, ticket: Ticket, event: DocumentEvent, stored: frozenset[str]
    ) -> tuple[Work, Made | None]:
        document = event.document
        recent = self._recent.get(document.document_id)
        known: frozenset[str] | None = recent.hashes() if recent else stored
        if event.op is Operation.DELETE:
            work = Work(ticket, event, (), known)
            return work, _newer(recent, Made(document.version, _DELETED, ()))
        key = text_key(document)
        started = time.time_ns()
        chunks = self._chunks(document, key, recent)
        if recent and document.version <= recent.version:
            known = None
        work = Work(ticket, event, chunks, known)
        note_chunks(work, started)
        return work, _newer(recent, Made(document.version, key, chunks))

    def _chunks(self, document: Document, key: bytes, recent: Made | None) -> tuple[EmbeddableChunk, ...]:
        if recent and recent.text_key == key:
            return recent.chunks
        return self._chunker.chunk(document)

    def _outdated(self, works: Sequence[Work]) -> frozenset[str]:
        """To look is cheap, measured by the embeddings that it may save."""
        stored = self._store.get_many([work.document_id for work in works])
        return frozenset(
            work.document_id
            for work in works
            if work.document_id in stored
            and stored[work.document_id].document.version >= work.event.document.version
        )


def _newer(recent: Made | None, made: Made) -> Made:
    return recent if recent and recent.version >= made.version else made
