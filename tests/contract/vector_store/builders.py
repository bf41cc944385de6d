"""Readable documents and embeddings for the stores' tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from shared.domain import AttributeValue, Chunk, Document, Version
from shared.ports import EmbeddedDocument

DIMENSION = 8
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


class ManualClock:
    """Stands still until it is told otherwise."""

    def __init__(self, now: datetime = START + timedelta(hours=1)) -> None:
        self._now = now

    def advance(self, **duration: float) -> None:
        self._now += timedelta(**duration)

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def axis(number: int, dimension: int = DIMENSION) -> np.ndarray:
    vector = np.zeros(dimension, dtype=np.float32)
    vector[number] = 1.0
    return vector


def near_axis_0(cosine: float, dimension: int = DIMENSION) -> np.ndarray:
    """Its similarity to ``axis(0)`` is ``cosine``."""
    vector = axis(0, dimension) * np.float32(cosine)
    vector[1] = math.sqrt(1 - cosine * cosine)
    return vector


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def version(revision: int, seconds: float = 0) -> Version:
    return Version(revision, at(seconds))


def embedded(
    document_id: str,
    revision: int = 1,
    seconds: float = 0,
    *,
    vectors: Sequence[np.ndarray | None] = (),
    hashes: Sequence[str] | None = None,
    source: str = "wikimedia",
    **attributes: AttributeValue,
) -> EmbeddedDocument:
    """A document with one chunk for each vector (one on axis 0 by default); its text names its revision, and
    its trace too, unless that is even: then it has none."""
    vectors = vectors or (axis(0),)
    document = Document(
        document_id=document_id,
        source=source,
        title=f"Title of {document_id}",
        text=f"{document_id} as of {revision}",
        url=f"https://example.org/{document_id}",
        revision=revision,
        updated_at=at(seconds),
        attributes=attributes,
        ingest_trace_id=f"{revision % 2**128:032x}" if revision % 2 else None,
    )
    chunks = tuple(
        Chunk(
            document_id,
            ordinal,
            f"{document_id} r{revision} c{ordinal}",
            hashes[ordinal] if hashes else f"{document_id}/{revision}/{ordinal}",
        )
        for ordinal in range(len(vectors))
    )
    return EmbeddedDocument(document, chunks, tuple(vectors))
