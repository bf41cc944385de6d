"""What a store must hold after any number of events, in any order: the newest version of each document.

Simple on purpose, and independent: it knows nothing of batches, offsets, stores or the wire format. The
chunker alone is the product's, because it is pure and has tests of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from services.processor.chunker import Chunker
from shared.domain import Document
from shared.ports import VectorStore
from tests.support.event_history import State

_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)
"""Chunks do not depend on it."""


@dataclass(frozen=True, slots=True)
class LiveDocument:
    revision: int
    updated_at: datetime
    title: str
    text: str
    url: str
    attributes: dict[str, str | int | bool]
    chunk_texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a store holds; a tombstone is the version of the delete."""

    documents: dict[str, LiveDocument]
    tombstones: dict[str, tuple[int, datetime]]

    @property
    def chunks(self) -> int:
        return sum(len(document.chunk_texts) for document in self.documents.values())


def embedded_texts(contents: Contents) -> dict[str, str]:
    """Chunk id → the text that its embedding is made of."""
    return {
        f"{document_id}#{ordinal}": f"{document.title}\n{text}"
        for document_id, document in contents.documents.items()
        for ordinal, text in enumerate(document.chunk_texts)
    }


def contents_of(store: VectorStore) -> Contents:
    """What it really holds, document by document as its feed names them."""
    documents: dict[str, LiveDocument] = {}
    tombstones: dict[str, tuple[int, datetime]] = {}
    cursor = None
    while (page := store.changes(cursor, 1_000)).changes:
        cursor = page.cursor
        live = store.get_many([change.document_id for change in page.changes])
        for change in page.changes:
            stored = live.get(change.document_id)
            if stored is None:
                tombstones[change.document_id] = (change.version.revision, change.version.updated_at)
                continue
            document = stored.document
            documents[change.document_id] = LiveDocument(
                document.revision,
                document.updated_at,
                document.title,
                document.text,
                document.url,
                dict(document.attributes),
                tuple(chunk.text for chunk in stored.chunks),
            )
    return Contents(documents, tombstones)


class Oracle:
    def __init__(self, chunker: Chunker) -> None:
        self._chunker = chunker
        self._chunk_texts: dict[tuple[str, str, str], tuple[str, ...]] = {}

    def contents(self, states: Iterable[State]) -> Contents:
        newest: dict[str, State] = {}
        for state in states:
            known = newest.get(state.document_id)
            if known is None or state.version > known.version:
                newest[state.document_id] = state
        return Contents(
            {name: self.live(state) for name, state in newest.items() if state.text is not None},
            {name: state.version for name, state in newest.items() if state.text is None},
        )

    def live(self, state: State) -> LiveDocument:
        """The document while this is its newest version."""
        assert state.text is not None
        return LiveDocument(
            state.revision,
            state.updated_at,
            state.title,
            state.text,
            state.url,
            state.attributes,
            self._chunk_texts_of(state.document_id, state.title, state.text),
        )

    def _chunk_texts_of(self, document_id: str, title: str, text: str) -> tuple[str, ...]:
        key = (document_id, title, text)
        if key not in self._chunk_texts:
            document = Document(document_id, "", title, text, url="", revision=0, updated_at=_ANY_TIME)
            chunks = self._chunker.chunk(document)
            self._chunk_texts[key] = tuple(item.chunk.text for item in chunks)
        return self._chunk_texts[key]
