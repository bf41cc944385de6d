from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from shared.domain import Chunk, Document, Version, WriteOutcome
from shared.ports import EmbeddedDocument
from shared.vector_store import laws

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stored", "incoming", "outcome"),
    [
        (None, Version(0, NOON), WriteOutcome.APPLIED),
        (Version(1, NOON), Version(2, NOON.replace(hour=1)), WriteOutcome.APPLIED),
        (Version(1, NOON), Version(1, NOON.replace(hour=13)), WriteOutcome.APPLIED),
        (Version(1, NOON), Version(1, NOON), WriteOutcome.DUPLICATE),
        (Version(1, NOON), Version(1, NOON.replace(hour=11)), WriteOutcome.STALE),
        (Version(2, NOON), Version(1, NOON.replace(hour=13)), WriteOutcome.STALE),
    ],
)
def test_judge(stored: Version | None, incoming: Version, outcome: WriteOutcome) -> None:
    assert laws.judge(stored, incoming) is outcome


def an_item(chunks: tuple[Chunk, ...], embeddings: tuple[np.ndarray | None, ...]) -> EmbeddedDocument:
    return EmbeddedDocument(Document("a", "api", "t", "x", "", 1, NOON), chunks, embeddings)


@pytest.mark.parametrize(
    ("chunks", "embeddings", "problem"),
    [
        ((Chunk("a", 0, "x", "h"),), (), "1 chunks, 0 embeddings"),
        ((Chunk("b", 0, "x", "h"),), (None,), "another document"),
        ((Chunk("a", 0, "x", "h"), Chunk("a", 0, "y", "i")), (None, None), "same ordinal"),
    ],
)
def test_contradictions_are_refused(
    chunks: tuple[Chunk, ...], embeddings: tuple[None, ...], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        laws.checked(an_item(chunks, embeddings), 4)


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        laws.truncated(Version(1, NOON.replace(tzinfo=None)))


def test_equal_rows_score_equally_wherever_they_stand() -> None:
    """The order in which a processor adds up products depends on the place; the score must not."""
    random = np.random.default_rng(7)
    for size in range(1, 40):
        row, query = (vector / np.linalg.norm(vector) for vector in random.standard_normal((2, 384)))
        scores = laws.cosine(np.tile(row.astype(np.float32), (size, 1)), query.astype(np.float32))
        assert len(set(scores.tolist())) == 1
        assert scores[0] == pytest.approx(float(row @ query), abs=1e-6)


def test_scores_stay_within_bounds() -> None:
    row = np.full(3, np.float32(1) / np.sqrt(np.float32(3)), dtype=np.float32) * np.float32(1.0005)
    assert laws.cosine(np.stack([row, -row]), row).tolist() == [1.0, -1.0]
