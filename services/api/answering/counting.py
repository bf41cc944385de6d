"""Into the metrics: what every way to answer has in common."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from shared.domain import Answer, Hit
from shared.observability.exemplars import exemplar
from shared.observability.metrics import ApiMetrics


def count_retrieved(metrics: ApiMetrics, hits: Sequence[Hit]) -> None:
    documents = len({hit.document_id for hit in hits})
    metrics.retrieved_documents.observe(documents)
    if not documents:
        metrics.retrieval_empty.inc()


def count_answer(metrics: ApiMetrics, answer: Answer, seconds: float) -> None:
    """``seconds``: how long it took."""
    metrics.request_duration.observe(seconds, exemplar())
    now = datetime.now(UTC)
    cited = {citation.document_id: citation.updated_at for citation in answer.citations}
    for updated_at in cited.values():
        metrics.context_age.observe(max(0.0, (now - updated_at).total_seconds()))
