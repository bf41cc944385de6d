"""Readable hits and evidence for tests of the answering."""

from __future__ import annotations

from datetime import UTC, datetime

from services.api.answering.evidence import Evidence
from shared.domain import Hit
from shared.text import sentence_spans


def a_hit(text: str, *, title: str = "Velmora earthquake", score: float = 0.7, ordinal: int = 0) -> Hit:
    document_id = f"meridianwiki:{title}"
    return Hit(
        chunk_id=f"{document_id}#{ordinal}",
        document_id=document_id,
        source="wikimedia",
        title=title,
        url="https://meridian.wiki.example/",
        text=text,
        revision=3,
        updated_at=datetime(2026, 11, 22, tzinfo=UTC),
        score=score,
        attributes={},
    )


def evidence_of(hit: Hit, sentence: int = 0, relevance: float = 0.8, coverage: float = 0.8) -> Evidence:
    return Evidence(hit, sentence_spans(hit.text)[sentence], relevance, coverage, right_kind=True)
