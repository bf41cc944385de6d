"""Documents → a new generation of the store: chunked, and embedded where it lacks the embedding."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.processor.chunker import Chunker, EmbeddableChunk
from services.processor.commands.patience import Patience
from services.processor.commands.stopping import check
from services.processor.encoder import bounded_parts
from shared.domain import Document, Version, WriteOutcome
from shared.ports import EmbeddedDocument, Embedder, VectorStore

if TYPE_CHECKING:
    from shared.ports import Embedding

_DOCUMENTS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class _Chunked:
    document: Document
    chunks: tuple[EmbeddableChunk, ...]


class Filler:
    """Knows what it wrote, because nobody else writes to ``target``: about 300 bytes a document.

    ``max_tokens`` go through the model in one call.
    """

    def __init__(
        self,
        chunker: Chunker,
        embedder: Embedder,
        target: VectorStore,
        max_tokens: int,
        patience: Patience,
        stop: threading.Event,
    ) -> None:
        self._chunker = chunker
        self._embedder = embedder
        self._target = target
        self._max_tokens = max_tokens
        self._patience = patience
        self._stop = stop
        self._versions: dict[str, Version] = {}
        self.embedded = 0
        """Chunks that went through the model."""

    def has(self, document_id: str, version: Version) -> bool:
        """Whether ``target`` holds, or has a tombstone of, this version or a newer one."""
        known = self._versions.get(document_id)
        return known is not None and known >= version

    def put(self, documents: Sequence[Document], done: Callable[[int], None] = lambda _: None) -> None:
        """``done`` is called with the number of documents written, now and then.

        :raises Stopped: between two calls of the model.
        """
        for start in range(0, len(documents), _DOCUMENTS_AT_ONCE):
            part = [
                document
                for document in documents[start : start + _DOCUMENTS_AT_ONCE]
                if not self.has(document.document_id, document.version)
            ]
            self._put_some([_Chunked(document, self._chunker.chunk(document)) for document in part])
            done(min(start + _DOCUMENTS_AT_ONCE, len(documents)))

    def remove(self, document_id: str, version: Version) -> None:
        """Keep a tombstone."""
        if not self.has(document_id, version):
            self._patience(lambda: self._target.delete(document_id, version))
            self._versions[document_id] = version

    def _put_some(self, items: Sequence[_Chunked]) -> None:
        ids = [item.document.document_id for item in items]
        known = self._patience(lambda: self._target.content_hashes(ids))
        unresolved = self._write(items, known)
        if unresolved:
            self._write(unresolved, {})

    def _write(self, items: Sequence[_Chunked], known: dict[str, frozenset[str]]) -> list[_Chunked]:
        """Those that could not be written, because what they were to reuse is gone."""
        if not items:
            return []
        fresh = {
            chunk.chunk.content_hash: chunk
            for item in items
            for chunk in item.chunks
            if chunk.chunk.content_hash not in known.get(item.document.document_id, ())
        }
        embeddings = self._embed(fresh.values())
        embedded = [
            EmbeddedDocument(
                item.document,
                tuple(chunk.chunk for chunk in item.chunks),
                tuple(embeddings.get(chunk.chunk.content_hash) for chunk in item.chunks),
            )
            for item in items
        ]
        outcomes = self._patience(lambda: self._target.replace(embedded))
        unresolved = []
        for item, outcome in zip(items, outcomes, strict=True):
            if outcome is WriteOutcome.UNRESOLVED:
                unresolved.append(item)
            else:
                self._remember(item.document)
        return unresolved

    def _remember(self, document: Document) -> None:
        if not self.has(document.document_id, document.version):
            self._versions[document.document_id] = document.version

    def _embed(self, chunks: Iterable[EmbeddableChunk]) -> dict[str, Embedding]:
        embeddings: dict[str, Embedding] = {}
        for part in bounded_parts(chunks, self._max_tokens):
            check(self._stop)
            rows = self._embedder.embed([chunk.text for chunk in part])
            embeddings |= {chunk.chunk.content_hash: row for chunk, row in zip(part, rows, strict=True)}
            self.embedded += len(part)
        return embeddings
