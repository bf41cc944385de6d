"""Not all from one page. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from shared.domain import Hit

MAX_PER_DOCUMENT = 2


def diversified(hits: Sequence[Hit], top_k: int) -> list[Hit]:
    """The first ``top_k`` in order, at most ``MAX_PER_DOCUMENT`` of each document as long as other documents
    have hits; what was passed over fills the rest."""
    seen: Counter[str] = Counter()
    chosen: list[Hit] = []
    passed_over: list[Hit] = []
    for hit in hits:
        seen[hit.document_id] += 1
        (chosen if seen[hit.document_id] <= MAX_PER_DOCUMENT else passed_over).append(hit)
    return [*chosen, *passed_over][:top_k]
