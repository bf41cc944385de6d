"""What this process lately made of each document, so that it need not ask the store, nor chunk again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from services.processor.chunker import EmbeddableChunk
from shared.domain import Document, Version

_CHUNK_OVERHEAD = 512  # bytes of objects around a chunk's two texts, roughly


@dataclass(frozen=True, slots=True)
class Made:
    """``text_key`` tells whether title and text are the same."""

    version: Version
    text_key: bytes
    chunks: tuple[EmbeddableChunk, ...]

    def hashes(self) -> frozenset[str]:
        return frozenset(item.chunk.content_hash for item in self.chunks)


def text_key(document: Document) -> bytes:
    return hashlib.blake2b(f"{document.title}\n{document.text}".encode(), digest_size=16).digest()


class RecentDocuments:
    """The documents last worked on, up to about ``max_bytes`` of chunks.

    Only hints: a write that relies on one of them and is wrong is answered with ``UNRESOLVED``.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._made: OrderedDict[str, tuple[Made, int]] = OrderedDict()

    def get(self, document_id: str) -> Made | None:
        found = self._made.get(document_id)
        return found[0] if found else None

    def put(self, document_id: str, made: Made) -> None:
        _, before = self._made.pop(document_id, (None, 0))
        size = _CHUNK_OVERHEAD + sum(_CHUNK_OVERHEAD + 2 * len(item.text) for item in made.chunks)
        self._made[document_id] = made, size
        self._bytes += size - before
        while self._bytes > self._max_bytes:
            _, (_, size) = self._made.popitem(last=False)
            self._bytes -= size

    def clear(self) -> None:
        self._made.clear()
        self._bytes = 0
