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

_CANDIDATES = """
    SELECT chunk_key, documents.document_id, chunks.ordinal, chunks.embedding
    FROM chunks JOIN documents ON documents.document_key = chunks.document_key
"""

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
    chunk_key: int


class Ranking:
    """One search. ``connection``'s read transaction must be the one that ``view`` shows."""

    def __init__(self, connection: sqlite3.Connection, file: Path, view: View, query: Embedding) -> None:
        self._connection = connection
        self._file = file
        self._view = view
        self._query = query

    def hits(self, top_k: int, where: SearchFilter | None) -> list[Hit]:
        candidates = self._best(top_k, where)
        rows = {row[0]: row for row in self._rows(_HITS, [candidate.chunk_key for candidate in candidates])}
        return [_hit(candidate, rows[candidate.chunk_key]) for candidate in candidates]

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
            keys, approximate = self._view.nearest(self._query, count, among)
            if len(keys) < wanted:  # an approximate index lost its way: fall back to looking at everything
                return self._ranked(self._view.chunk_keys(among))[:wanted]
            exact = self._scores(keys)
            ranked = sorted(exact.values())
            # Chunks that tie with the last hit compete by chunk_id: all of them must be candidates.
            error = self._largest_error(keys, approximate, exact)
            complete = approximate[-1] < -ranked[wanted - 1].negative_score - error
            if complete or len(keys) < count or count == among.matches:
                return ranked[:wanted]
            count = min(4 * count, among.matches)

    def _first_count(self, top_k: int) -> int:
        """Room for ties, and for what an inexact index ranks too low."""
        room = min(top_k, _ROOM_FOR_TIES) if self._view.exact else min(2 * top_k, _ROOM_FOR_ERRORS)
        return top_k + room + 8

    def _largest_error(
        self, keys: NDArray[np.int64], approximate: NDArray[np.float32], exact: dict[int, _Candidate]
    ) -> float:
        if self._view.exact:
            return _NOISE
        truth = np.array([-exact[key].negative_score for key in keys.tolist()])
        return _NOISE + _ERRORS_AHEAD * float(np.abs(truth - approximate).max())

    def _ranked(self, keys: NDArray[np.int64]) -> list[_Candidate]:
        return sorted(self._scores(keys).values())

    def _scores(self, keys: NDArray[np.int64]) -> dict[int, _Candidate]:
        rows = list(self._rows(_CANDIDATES, keys.tolist()))
        embeddings = decode_embeddings((row[3] for row in rows), len(self._query), self._file)
        scores = laws.cosine(embeddings, self._query).tolist()
        return {
            key: _Candidate(-score, f"{document_id}#{ordinal}", document_id, ordinal, key)
            for (key, document_id, ordinal, _), score in zip(rows, scores, strict=True)
        }

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
