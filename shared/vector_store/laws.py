"""The port's laws as pure functions, so that every store applies the same ones."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from shared.domain import Document, Version, WriteOutcome, truncate_to_milliseconds
from shared.ports import EmbeddedDocument

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.ports import Embedding, Embeddings

SCORE_DIGITS = 6
"""Scores are rounded to what float32 embeddings can tell apart: equal texts tie, whatever the order in
which a processor adds up their products."""

_NORM_TOLERANCE = 1e-3


def judge(stored: Version | None, incoming: Version) -> WriteOutcome:
    """What a write of version ``incoming`` may do to a document whose version is ``stored``."""
    if stored is None or incoming > stored:
        return WriteOutcome.APPLIED
    return WriteOutcome.DUPLICATE if incoming == stored else WriteOutcome.STALE


def truncated(version: Version) -> Version:
    return Version(version.revision, truncate_to_milliseconds(version.updated_at))


def checked(item: EmbeddedDocument, dimension: int) -> EmbeddedDocument:
    """The item with its time at the precision of the stores.

    :raises ValueError: it contradicts itself, or an embedding is not ``(dimension,)`` of unit norm.
    """
    document = item.document
    if len(item.chunks) != len(item.embeddings):
        raise ValueError(
            f"{document.document_id!r}: {len(item.chunks)} chunks, {len(item.embeddings)} embeddings"
        )
    if any(chunk.document_id != document.document_id for chunk in item.chunks):
        raise ValueError(f"{document.document_id!r}: holds a chunk of another document")
    if len({chunk.ordinal for chunk in item.chunks}) != len(item.chunks):
        raise ValueError(f"{document.document_id!r}: two chunks have the same ordinal")
    return replace(
        item,
        document=with_truncated_time(document),
        embeddings=tuple(
            None if embedding is None else checked_embedding(embedding, dimension)
            for embedding in item.embeddings
        ),
    )


def with_truncated_time(document: Document) -> Document:
    moment = truncate_to_milliseconds(document.updated_at)
    return document if moment == document.updated_at else replace(document, updated_at=moment)


def checked_embedding(embedding: Embedding, dimension: int) -> Embedding:
    """The embedding as contiguous float32.

    :raises ValueError: wrong shape, or not of unit norm.
    """
    embedding = np.ascontiguousarray(embedding, dtype=np.float32)
    if embedding.shape != (dimension,):
        raise ValueError(f"embedding of shape {embedding.shape}, expected ({dimension},)")
    norm = math.sqrt(embedding @ embedding)
    if not abs(norm - 1) <= _NORM_TOLERANCE:  # also refuses NaN
        raise ValueError(f"embedding of norm {norm}, expected 1")
    return embedding


def checked_count(name: str, count: int) -> int:
    """:raises ValueError: ``count`` is below 1."""
    if count < 1:
        raise ValueError(f"{name}={count}, expected at least 1")
    return count


def cosine(embeddings: Embeddings, query: Embedding) -> NDArray[np.float64]:
    """Rounded cosine similarity of ``(n, dimension)`` unit rows to a unit vector: ``(n,)``."""
    scores = embeddings.astype(np.float64) @ query.astype(np.float64)
    return np.clip(np.round(scores, SCORE_DIGITS), -1.0, 1.0)
