"""One batch: chunk, embed what is new, write, delete, bury; then count."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from services.processor.batch import Batch
from services.processor.burial import Burial
from services.processor.chunker import Chunker, EmbeddableChunk
from shared.domain import WriteOutcome
from shared.events import DocumentEvent
from shared.observability.metrics import ProcessorMetrics
from shared.ports import Clock, EmbeddedDocument, Embedder, VectorStore

if TYPE_CHECKING:
    from shared.ports import Embedding

log = logging.getLogger(__name__)

_EMBED_AT_ONCE = 64

KeepAlive = Callable[[], None]


class Pipeline:
    def __init__(
        self,
        chunker: Chunker,
        embedder: Embedder,
        store: VectorStore,
        burial: Burial,
        metrics: ProcessorMetrics,
        clock: Clock,
    ) -> None:
        self._chunker = chunker
        self._embedder = embedder
        self._store = store
        self._burial = burial
        self._metrics = metrics
        self._clock = clock

    def run(self, batch: Batch, keep_alive: KeepAlive) -> None:
        """Empty the batch; what is done is durable. ``keep_alive`` is called before each call of the model
        and may raise to end the work there.

        :raises RetryableError: a dependency is away; run the same batch again later.
        """
        self._write(batch, keep_alive)
        self._delete(batch)
        while batch.poison:
            self._count("invalid", self._burial.bury(batch.poison))
        self._count(WriteOutcome.DUPLICATE, batch.duplicates)
        self._count(WriteOutcome.STALE, batch.stale)

    def _write(self, batch: Batch, keep_alive: KeepAlive) -> None:
        while batch.upserts:
            if not batch.embedded:
                batch.embedded = self._embed_some(batch.upserts, keep_alive, reuse=True)
            outcomes = self._store.replace(batch.embedded)
            if WriteOutcome.UNRESOLVED in outcomes:
                batch.embedded = self._embed_some(batch.upserts, keep_alive, reuse=False)
                continue
            for event, outcome in zip(batch.upserts, outcomes, strict=False):
                self._written(event, outcome, "indexed")
            del batch.upserts[: len(outcomes)]
            batch.embedded = []

    def _delete(self, batch: Batch) -> None:
        while batch.deletes:
            event = batch.deletes[0]
            outcome = self._store.delete(event.document.document_id, event.document.version)
            self._written(event, outcome, "deleted")
            batch.deletes.pop(0)

    def _embed_some(
        self, upserts: Sequence[DocumentEvent], keep_alive: KeepAlive, *, reuse: bool
    ) -> list[EmbeddedDocument]:
        """The first of ``upserts``, as many as one call of the model takes; so what is done becomes
        visible while the rest is still to be embedded."""
        window = upserts[:_EMBED_AT_ONCE]
        known = self._store.content_hashes([event.document.document_id for event in window]) if reuse else {}
        taken: list[tuple[DocumentEvent, tuple[EmbeddableChunk, ...], frozenset[str]]] = []
        fresh: dict[str, str] = {}
        for event in window:
            if len(fresh) >= _EMBED_AT_ONCE:
                break
            chunks = self._chunker.chunk(event.document)
            stored = known.get(event.document.document_id, frozenset())
            taken.append((event, chunks, stored))
            new = {
                item.chunk.content_hash: item.text for item in chunks if item.chunk.content_hash not in stored
            }
            fresh |= new
            self._metrics.chunks_reused.inc(sum(item.chunk.content_hash in stored for item in chunks))
        embeddings = self._embed_texts(fresh, keep_alive)
        return [_embedded(event, chunks, embeddings, stored) for event, chunks, stored in taken]

    def _embed_texts(self, texts: dict[str, str], keep_alive: KeepAlive) -> dict[str, Embedding]:
        embeddings: dict[str, Embedding] = {}
        in_order = list(texts.items())
        for start in range(0, len(in_order), _EMBED_AT_ONCE):
            part = in_order[start : start + _EMBED_AT_ONCE]
            keep_alive()
            self._metrics.embedding_batch_size.observe(len(part))
            rows = self._embedder.embed([text for _, text in part])
            embeddings |= {content_hash: row for (content_hash, _), row in zip(part, rows, strict=True)}
        return embeddings

    def _written(self, event: DocumentEvent, outcome: WriteOutcome, applied: str) -> None:
        if outcome is not WriteOutcome.APPLIED:
            self._count(outcome, 1)
            return
        now = self._clock.now()
        self._count(applied, 1)
        self._metrics.freshness.observe(max(0.0, (now - event.occurred_at).total_seconds()))
        self._metrics.last_indexed.set(now.timestamp())

    def _count(self, result: str, number: int) -> None:
        self._metrics.documents.labels(str(result)).inc(number)


def _embedded(
    event: DocumentEvent,
    chunks: Iterable[EmbeddableChunk],
    embeddings: dict[str, Embedding],
    stored: frozenset[str],
) -> EmbeddedDocument:
    in_order = tuple(item.chunk for item in chunks)
    return EmbeddedDocument(
        event.document,
        in_order,
        tuple(None if chunk.content_hash in stored else embeddings[chunk.content_hash] for chunk in in_order),
    )
