"""Keeps a ``ChunkIndex`` equal to the rows of one read snapshot."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shared.errors import StoreDamaged
from shared.vector_store.faiss_store.database import damage
from shared.vector_store.faiss_store.index import SLOT, ChunkIndex
from shared.vector_store.faiss_store.recipe import IndexRecipe
from shared.vector_store.faiss_store.rows import decode_attributes
from shared.vector_store.faiss_store.schema import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.ports import Embeddings

log = logging.getLogger(__name__)

_ROWS_PER_BLOCK = 4_096
_TRAINING_FACTOR = 4

# Scattered, yet the same for the same rows: an index that is built twice is the same index.
_SAMPLE = """
    SELECT embedding FROM chunks WHERE chunk_key IN (
        SELECT chunk_key FROM chunks ORDER BY chunk_key * 2654435761 % 4294967296 LIMIT ?
    )
"""

# Documents drive the join: their order is the feed's, and it puts each document's chunks side by side.
_NEW_CHUNKS = """
    SELECT chunks.document_key, chunks.chunk_key, chunks.embedding
    FROM documents CROSS JOIN chunks ON chunks.document_key = documents.document_key
    WHERE documents.seq > ? ORDER BY documents.seq, chunks.ordinal
"""


class _Columns(NamedTuple):
    updated_at: int
    wiki: int
    namespace: int
    source: int
    bot: bool


class Tail:
    """Reads what has changed since the last look. One thread at a time.

    While there is too little to train the configured index on, an exact one stands in.
    """

    def __init__(self, file: Path, recipe: IndexRecipe, dimension: int) -> None:
        self._file = file
        self._recipe = recipe
        self._dimension = dimension
        self._index: ChunkIndex | None = None
        self._data_version = 0
        self._seq = 0
        self._untrained = False

    def refreshed(self, connection: sqlite3.Connection) -> ChunkIndex:
        """The index as of the snapshot that ``connection``'s read transaction sees.

        :raises StoreDamaged: a row cannot be read.
        """
        # This also opens the snapshot, so the version is that of everything read afterwards.
        data_version = connection.execute("PRAGMA data_version").fetchone()[0]
        if self._index is not None and data_version == self._data_version:
            return self._index
        index, self._index = self._index, None  # half-applied changes must not survive an error
        if index is None or self._has_missed_removals(connection):
            index = self._loaded(connection)
        else:
            self._apply(connection, index)
            if self._should_rebuild(index):
                index = self._loaded(connection)
            elif index.wasteful:
                index.compact()
        self._index, self._data_version = index, data_version
        return index

    def _has_missed_removals(self, connection: sqlite3.Connection) -> bool:
        """Documents that the index holds were removed, and their rows forgotten since."""
        forgotten: int = connection.execute("SELECT forgotten_seq FROM counters").fetchone()[0]
        return forgotten > self._seq

    def _loaded(self, connection: sqlite3.Connection) -> ChunkIndex:
        index = self._empty_index(connection)
        self._seq = 0
        self._apply(connection, index)
        return index

    def _should_rebuild(self, index: ChunkIndex) -> bool:
        if self._untrained:
            return index.live >= self._recipe.training_points
        return index.wasteful and not index.exact

    def _empty_index(self, connection: sqlite3.Connection) -> ChunkIndex:
        needed = self._recipe.training_points
        chunks = connection.execute("SELECT chunks FROM counters").fetchone()[0]
        self._untrained = chunks < needed
        if self._untrained:
            log.warning(
                "FAISS_INDEX needs more embeddings to train on; searching exactly until then",
                extra={"stored": chunks, "needed": needed},
            )
            return ChunkIndex(self._recipe.flat())
        return ChunkIndex(self._recipe.create(self._sample(connection, needed) if needed else None))

    def _sample(self, connection: sqlite3.Connection, needed: int) -> Embeddings:
        rows = connection.execute(_SAMPLE, [_TRAINING_FACTOR * needed])
        return self._decode([embedding for (embedding,) in rows])

    def _apply(self, connection: sqlite3.Connection, index: ChunkIndex) -> None:
        columns = self._read_documents(connection, index)
        for slots, embeddings in self._read_chunks(connection, columns):
            index.add(slots, embeddings)
        self._seq = connection.execute("SELECT last_seq FROM counters").fetchone()[0]

    def _read_documents(self, connection: sqlite3.Connection, index: ChunkIndex) -> dict[int, _Columns]:
        """Drop what the index holds of changed documents; the columns of those that are live."""
        columns = {}
        for document_key, state, source, updated_at, attributes in connection.execute(
            "SELECT document_key, state, source, updated_at, attributes FROM documents WHERE seq > ?",
            [self._seq],
        ):
            index.remove(document_key)
            if state == State.LIVE:
                values = decode_attributes(attributes)
                columns[document_key] = _Columns(
                    updated_at=updated_at,
                    wiki=index.wikis.code(values.get("wiki")),
                    namespace=index.namespaces.code(values.get("namespace")),
                    source=index.sources.code(source),
                    bot=values.get("bot") is True,
                )
        return columns

    def _read_chunks(
        self, connection: sqlite3.Connection, columns: dict[int, _Columns]
    ) -> Iterator[tuple[NDArray[np.void], Embeddings]]:
        cursor = connection.execute(_NEW_CHUNKS, [self._seq])
        while rows := cursor.fetchmany(_ROWS_PER_BLOCK):
            slots = np.array(
                [
                    (chunk_key, document_key, *columns[document_key], True)
                    for document_key, chunk_key, _ in rows
                ],
                dtype=SLOT,
            )
            yield slots, self._decode([embedding for _, _, embedding in rows])

    def _decode(self, blobs: list[bytes]) -> Embeddings:
        flat = np.frombuffer(b"".join(blobs), dtype=np.uint8)
        if flat.size != len(blobs) * self._dimension * 4:
            raise StoreDamaged(damage(self._file, f"an embedding is not {self._dimension} float32 numbers"))
        return flat.view(np.float32).reshape(len(blobs), self._dimension)
