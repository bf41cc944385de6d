"""From the index's candidates to hits: exact scores, exact ties, one snapshot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from shared.domain import Hit, Match, SearchFilter, from_epoch_milliseconds
from shared.errors import StoreDamaged
from shared.vector_store import laws
from shared.vector_store.faiss_store.database import damage
from shared.vector_store.faiss_store.index import View
from shared.vector_store.faiss_store.loading import decode_embeddings
from shared.vector_store.faiss_store.rows import decode_attributes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.ports import Embedding

_NOISE = 2e-6  # what float32 sums and the rounding of scores can differ by
_ERRORS_AHEAD = 2  # an unseen candidate's error may be that many times the largest that was seen
_KEYS_PER_QUERY = 500
_ROOM_FOR_TIES = 20
_ROOM_FOR_ERRORS = 50  # of bytes: nearly always enough, up to hundreds of hits

_EMBEDDINGS = "SELECT chunk_key, embedding FROM chunks"

_HITS = """
    SELECT
        chunk_key, documents.source, title, url, chunks.text, revision, updated_at, attributes,
        ingest_trace_id
    FROM chunks JOIN documents ON documents.document_key = chunks.document_key
"""


class _Candidate(NamedTuple):
    """Sorts best first."""

    negative_score: float
    chunk_id: str
    document_id: str
    ordinal: int
    position: int


class Ranking:
    """One search. ``connection``'s read transaction must be the one that ``view`` shows."""

    def __init__(self, connection: sqlite3.Connection, file: Path, view: View, query: Embedding) -> None:
        self._connection = connection
        self._file = file
        self._view = view
        self._query = query

    def hits(self, top_k: int, where: SearchFilter | None) -> list[Hit]:
        candidates = self._best(top_k, where)
        positions = np.array([candidate.position for candidate in candidates], dtype=np.int64)
        keys = self._view.chunk_keys(positions).tolist()
        rows = {row[0]: row for row in self._rows(_HITS, keys)}
        return [_hit(candidate, rows[key]) for candidate, key in zip(candidates, keys, strict=True)]

    def matches(self, top_k: int, where: SearchFilter | None) -> list[Match]:
        return [
            Match(candidate.document_id, candidate.ordinal, -candidate.negative_score)
            for candidate in self._best(top_k, where)
        ]

    def _best(self, top_k: int, where: SearchFilter | None) -> list[_Candidate]:
        among = self._view.matching(where)
        wanted = min(top_k, among.matches)
        if not wanted:
            return []
        count = min(self._first_count(top_k), among.matches)
        while True:
            positions, approximate = self._view.nearest(self._query, count, among)
            if (
                len(positions) < wanted
            ):  # an approximate index lost its way: fall back to looking at everything
                everything = np.flatnonzero(among.mask)
                return self._ranked(everything, self._scores(everything))[:wanted]
            exact = self._scores(positions)
            ranked = self._ranked(positions, exact)
            # Chunks that tie with the last hit compete by chunk_id: all of them must be candidates.
            error = self._largest_error(approximate, exact)
            complete = approximate[-1] < -ranked[wanted - 1].negative_score - error
            if complete or len(positions) < count or count == among.matches:
                return ranked[:wanted]
            count = min(4 * count, among.matches)

    def _first_count(self, top_k: int) -> int:
        """Room for ties, and for what an inexact index ranks too low."""
        room = min(top_k, _ROOM_FOR_TIES) if self._view.exact else min(2 * top_k, _ROOM_FOR_ERRORS)
        return top_k + room + 8

    def _largest_error(self, approximate: NDArray[np.float32], exact: NDArray[np.float64]) -> float:
        if self._view.exact:
            return _NOISE
        return _NOISE + _ERRORS_AHEAD * float(np.abs(exact - approximate).max())

    def _ranked(self, positions: NDArray[np.int64], scores: NDArray[np.float64]) -> list[_Candidate]:
        return sorted(
            _Candidate(-score, f"{document_id}#{ordinal}", document_id, ordinal, position)
            for (document_id, ordinal), score, position in zip(
                self._view.identities(positions), scores.tolist(), positions.tolist(), strict=True
            )
        )

    def _scores(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """``(len(positions),)``"""
        embeddings = self._view.embeddings(positions)
        if embeddings is None:
            keys = self._view.chunk_keys(positions).tolist()
            blobs = dict(self._rows(_EMBEDDINGS, keys))
            embeddings = decode_embeddings((blobs[key] for key in keys), len(self._query), self._file)
        return laws.cosine(embeddings, self._query)

    def _rows(self, select: str, keys: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        """One row for each key, in any order."""
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            some = keys[start : start + _KEYS_PER_QUERY]
            placeholders = ",".join("?" * len(some))
            rows = self._connection.execute(f"{select} WHERE chunk_key IN ({placeholders})", some).fetchall()
            if len(rows) != len(some):
                raise StoreDamaged(damage(self._file, "a chunk that was there cannot be read"))
            yield from rows


def _hit(candidate: _Candidate, row: tuple[Any, ...]) -> Hit:
    _, source, title, url, text, revision, updated_at, attributes, ingest_trace_id = row
    return Hit(
        chunk_id=candidate.chunk_id,
        document_id=candidate.document_id,
        source=source,
        title=title,
        url=url,
        text=text,
        revision=revision,
        updated_at=from_epoch_milliseconds(updated_at),
        score=-candidate.negative_score,
        attributes=decode_attributes(attributes),
        ingest_trace_id=ingest_trace_id,
    )
