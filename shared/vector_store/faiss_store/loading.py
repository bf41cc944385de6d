"""From the rows of a read snapshot to a ``ChunkIndex``, all of them or those that are new."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.errors import StoreDamaged
from shared.vector_store.faiss_store.database import damage
from shared.vector_store.faiss_store.index import SLOT, AttributeCodes, ChunkIndex
from shared.vector_store.faiss_store.plan import IndexPlan
from shared.vector_store.faiss_store.recipe import IndexRecipe
from shared.vector_store.faiss_store.rows import decode_attributes
from shared.vector_store.faiss_store.schema import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.ports import Embeddings

log = logging.getLogger(__name__)

_ROWS_PER_BLOCK = 4_096
_NORM_TOLERANCE = 1e-2

# Scattered, yet the same for the same rows: an index that is built twice is the same index.
_SAMPLE = """
    SELECT embedding FROM chunks WHERE chunk_key IN (
        SELECT chunk_key FROM chunks ORDER BY chunk_key * 2654435761 % 4294967296 LIMIT ?
    )
"""

_LIVE_DOCUMENTS = """
    SELECT document_key, document_id, updated_at, source, attributes FROM documents WHERE state = ?
"""

_NEW_DOCUMENTS = """
    SELECT document_key, document_id, updated_at, source, attributes, state FROM documents WHERE seq > ?
"""

# A document's chunks are written together, so the order of their keys puts them side by side.
_ALL_CHUNKS = "SELECT document_key, chunk_key, ordinal, embedding FROM chunks ORDER BY chunk_key"

_NEW_CHUNKS = """
    SELECT chunks.document_key, chunks.chunk_key, chunks.ordinal, chunks.embedding
    FROM documents CROSS JOIN chunks ON chunks.document_key = documents.document_key
    WHERE documents.seq > ? ORDER BY documents.seq, chunks.ordinal
"""


class LoadStopped(Exception):
    """The store is being closed."""


class FollowingIndex:
    """An index, and the number of the newest change that is in it. After an error it is of no use."""

    def __init__(self, file: Path, dimension: int, recipe: IndexRecipe, sample: Embeddings) -> None:
        self.recipe = recipe
        self.index = ChunkIndex(recipe.create(sample), dimension)
        self.seq = 0
        self._file = file
        self._dimension = dimension

    def load(self, connection: sqlite3.Connection, last_seq: int, stopped: Callable[[], bool]) -> None:
        """All rows, into the empty index.

        :raises StoreDamaged: a row cannot be read, or one is missing.
        :raises LoadStopped: soon after ``stopped`` became true.
        """
        slots = self._slots(connection.execute(_LIVE_DOCUMENTS, [State.LIVE]).fetchall())
        self._add_chunks(connection.execute(_ALL_CHUNKS), slots, stopped)
        self._finish(connection, last_seq)

    def follow(self, connection: sqlite3.Connection, last_seq: int) -> None:
        """The rows that have changed since.

        :raises StoreDamaged: a row cannot be read, or one is missing.
        """
        changed = connection.execute(_NEW_DOCUMENTS, [self.seq]).fetchall()
        for document_key, *_ in changed:
            self.index.remove(document_key)
        self._remove_forgotten(connection)
        slots = self._slots([row[:-1] for row in changed if row[-1] == State.LIVE])
        self._add_chunks(connection.execute(_NEW_CHUNKS, [self.seq]), slots, lambda: False)
        self._finish(connection, last_seq)

    def _remove_forgotten(self, connection: sqlite3.Connection) -> None:
        """What was removed, and its tombstone expired, since the last look."""
        (forgotten,) = connection.execute("SELECT forgotten_seq FROM counters").fetchone()
        if forgotten > self.seq:
            known = connection.execute("SELECT document_key FROM documents")
            for document_key in self.index.document_keys() - {key for (key,) in known}:
                self.index.remove(document_key)

    def _finish(self, connection: sqlite3.Connection, last_seq: int) -> None:
        expected = connection.execute("SELECT chunks FROM counters").fetchone()[0]
        if self.index.live != expected:
            raise StoreDamaged(
                damage(self._file, f"its counters say {expected} chunks, there are {self.index.live}")
            )
        self.seq = last_seq

    def _slots(self, documents: Iterable[tuple[Any, ...]]) -> NDArray[np.void]:
        """``(documents,)`` of ``SLOT``, sorted by ``document_key``."""
        codes = self.index.codes
        rows = [
            (0, key, document_id, 0, moment, *_codes(codes, source, text))
            for key, document_id, moment, source, text in sorted(documents)
        ]
        slots: NDArray[np.void] = np.array(rows, dtype=SLOT)
        return slots

    def _add_chunks(
        self, cursor: sqlite3.Cursor, documents: NDArray[np.void], stopped: Callable[[], bool]
    ) -> None:
        while rows := cursor.fetchmany(_ROWS_PER_BLOCK):
            if stopped():
                raise LoadStopped
            document_keys = np.array([row[0] for row in rows], dtype=np.int64)
            places = np.searchsorted(documents["document_key"], document_keys)
            if places.max() >= len(documents) or (documents["document_key"][places] != document_keys).any():
                raise StoreDamaged(damage(self._file, "a chunk belongs to no document"))
            slots = documents[places]
            slots["chunk_key"] = [row[1] for row in rows]
            slots["ordinal"] = [row[2] for row in rows]
            self.index.add(slots, decode_embeddings((row[3] for row in rows), self._dimension, self._file))


def built_index(
    connection: sqlite3.Connection,
    file: Path,
    dimension: int,
    plan: IndexPlan,
    last_seq: int,
    stopped: Callable[[], bool] = lambda: False,
) -> FollowingIndex:
    """The index that ``plan`` wants for the snapshot that ``connection``'s transaction sees."""
    chunks = connection.execute("SELECT chunks FROM counters").fetchone()[0]
    recipe = plan.recipe_for(chunks)
    if chunks < plan.training_points:
        log.warning(
            "FAISS_INDEX needs more embeddings to train on; searching exactly until then",
            extra={"stored": chunks, "needed": plan.training_points},
        )
    rows = connection.execute(_SAMPLE, [recipe.sample_size]) if recipe.sample_size else ()
    following = FollowingIndex(
        file, dimension, recipe, decode_embeddings((row[0] for row in rows), dimension, file)
    )
    following.load(connection, last_seq, stopped)
    return following


def decode_embeddings(blobs: Iterable[bytes], dimension: int, file: Path) -> Embeddings:
    """``(n, dimension)``

    :raises StoreDamaged: one of them is no embedding.
    """
    parts = list(blobs)
    if any(len(part) != 4 * dimension for part in parts):
        raise StoreDamaged(damage(file, f"an embedding is not {dimension} float32 numbers"))
    embeddings = np.frombuffer(b"".join(parts), dtype=np.float32).reshape(len(parts), dimension)
    norms = np.einsum("ij,ij->i", embeddings, embeddings)
    if not (np.abs(norms - 1) <= _NORM_TOLERANCE).all():  # also refuses NaN
        raise StoreDamaged(damage(file, "an embedding is not of unit norm"))
    return embeddings


def _codes(codes: AttributeCodes, source: str, attributes: str) -> tuple[int, int, int, bool]:
    values = decode_attributes(attributes)
    return (
        codes.wikis.code(values.get("wiki")),
        codes.namespaces.code(values.get("namespace")),
        codes.sources.code(source),
        values.get("bot") is True,
    )
