"""Works → embedded documents: what is fresh goes through the model, a bounded number of tokens a call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from services.processor.chunker import EmbeddableChunk
from services.processor.work import Work
from shared.observability.metrics import ProcessorMetrics
from shared.ports import EmbeddedDocument, Embedder

if TYPE_CHECKING:
    from shared.ports import Embedding


class Encoder:
    def __init__(self, embedder: Embedder, metrics: ProcessorMetrics, max_tokens: int) -> None:
        self._embedder = embedder
        self._metrics = metrics
        self._max_tokens = max_tokens

    @property
    def model(self) -> str:
        return self._embedder.name

    def embed(self, works: Sequence[Work]) -> list[EmbeddedDocument] | None:
        """One for each work. ``None``: all of them were abandoned in the middle of a long text."""
        fresh = {item.chunk.content_hash: item for work in works for item in work.fresh}
        embeddings: dict[str, Embedding] = {}
        for part in bounded_parts(fresh.values(), self._max_tokens):
            if embeddings and all(work.ticket.abandoned for work in works):
                return None
            self._metrics.embedding_batch_size.observe(len(part))
            rows = self._embedder.embed([item.text for item in part])
            embeddings |= {item.chunk.content_hash: row for item, row in zip(part, rows, strict=True)}
        documents = [_embedded(work, embeddings) for work in works]
        self._metrics.chunks_reused.inc(
            sum(embedding is None for document in documents for embedding in document.embeddings)
        )
        return documents


def bounded_parts(items: Iterable[EmbeddableChunk], max_tokens: int) -> Iterator[list[EmbeddableChunk]]:
    """In order, each of at most ``max_tokens``, or of one item."""
    part: list[EmbeddableChunk] = []
    tokens = 0
    for item in items:
        if part and tokens + item.tokens > max_tokens:
            yield part
            part, tokens = [], 0
        part.append(item)
        tokens += item.tokens
    if part:
        yield part


def _embedded(work: Work, embeddings: dict[str, Embedding]) -> EmbeddedDocument:
    known = work.known
    chunks = tuple(item.chunk for item in work.chunks)
    if known is None:
        return EmbeddedDocument(work.event.document, chunks, (None,) * len(chunks))
    return EmbeddedDocument(
        work.event.document,
        chunks,
        tuple(None if chunk.content_hash in known else embeddings[chunk.content_hash] for chunk in chunks),
    )
