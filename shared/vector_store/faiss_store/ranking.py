"""From the index's candidates to hits: exact scores, exact ties, one snapshot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shared.domain import Hit, SearchFilter, from_epoch_milliseconds
from shared.vector_store import laws
from shared.vector_store.faiss_store.index import ChunkIndex
from shared.vector_store.faiss_store.rows import decode_attributes

if TYPE_CHECKING:
    from shared.ports import Embedding

_NOISE = 2e-6  # what float32 sums and the rounding of scores can differ by

_CANDIDATE = """
    SELECT documents.document_id, chunks.ordinal, chunks.embedding
    FROM chunks JOIN documents ON documents.document_key = chunks.document_key WHERE chunk_key = ?
"""

_HIT = """
    SELECT documents.source, title, url, chunks.text, revision, updated_at, attributes
    FROM chunks JOIN documents ON documents.document_key = chunks.document_key WHERE chunk_key = ?
"""


class _Candidate(NamedTuple):
    """Sorts best first."""

    negative_score: float
    chunk_id: str
    document_id: str
    chunk_key: int


def best_hits(
    connection: sqlite3.Connection,
    index: ChunkIndex,
    query: Embedding,
    top_k: int,
    where: SearchFilter | None,
) -> list[Hit]:
    """``connection``'s read transaction must be the one that ``index`` was refreshed in."""
    mask = index.matching(where)
    matching = int(np.count_nonzero(mask))
    wanted = min(top_k, matching)
    if not wanted:
        return []
    count = min(2 * top_k + 8, matching)
    while True:
        keys, scores = index.nearest(query, count, mask)
        if len(keys) < wanted:  # an approximate index lost its way: fall back to looking at everything
            return _hits(connection, _ranked(connection, index.chunk_keys(mask), query)[:wanted])
        ranked = _ranked(connection, keys, query)
        # Chunks that tie with the last hit compete by chunk_id: all of them must be among the candidates.
        complete = count == matching or scores[-1] < -ranked[wanted - 1].negative_score - _NOISE
        if complete or not index.exact:
            return _hits(connection, ranked[:wanted])
        count = min(4 * count, matching)


def _ranked(
    connection: sqlite3.Connection, chunk_keys: Iterable[np.int64], query: Embedding
) -> list[_Candidate]:
    keys = [int(key) for key in chunk_keys]
    rows = [connection.execute(_CANDIDATE, [key]).fetchone() for key in keys]
    embeddings = np.frombuffer(b"".join(row[2] for row in rows), dtype=np.float32).reshape(len(rows), -1)
    scores = laws.cosine(embeddings, query).tolist()
    return sorted(
        _Candidate(-score, f"{document_id}#{ordinal}", document_id, key)
        for score, (document_id, ordinal, _), key in zip(scores, rows, keys, strict=True)
    )


def _hits(connection: sqlite3.Connection, candidates: list[_Candidate]) -> list[Hit]:
    return [_hit(connection, candidate) for candidate in candidates]


def _hit(connection: sqlite3.Connection, candidate: _Candidate) -> Hit:
    source, title, url, text, revision, updated_at, attributes = connection.execute(
        _HIT, [candidate.chunk_key]
    ).fetchone()
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
    )
