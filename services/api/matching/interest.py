"""Whether a changed document may matter to a question. Pure.

Generous on purpose: who is told looks again, so a false alarm costs milliseconds, and silence would be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from services.api.retrieval.follower import Applied
from shared.domain import SearchFilter
from shared.text import terms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.ports import Embedding, Embeddings

LEAST_SIMILARITY = 0.2


@dataclass(frozen=True, slots=True)
class Interest:
    """A question, as an index sees it: ``embedding`` for one side, ``terms`` for the other."""

    embedding: Embedding
    terms: frozenset[str]
    where: SearchFilter

    @staticmethod
    def of(question: str, embedding: Embedding, where: SearchFilter) -> Interest:
        return Interest(embedding, frozenset(terms(question)), where)


class ChangedDocuments:
    """What was indexed in one batch of changes, ready to be compared with many questions."""

    def __init__(self, applied: Applied, embeddings: Mapping[str, Embeddings]) -> None:
        """A document without ``embeddings`` (it has changed again since) concerns every question."""
        self._documents = [stored.document for stored in applied.documents.values()]
        self._terms = [frozenset(terms(f"{one.title} {one.text}")) for one in self._documents]
        self._embeddings = [embeddings.get(one.document_id) for one in self._documents]

    def concerning(self, interest: Interest) -> list[str]:
        """The ids of those that satisfy the filter and share a term with the question or resemble it."""
        return [
            document.document_id
            for document, found, rows in zip(self._documents, self._terms, self._embeddings, strict=True)
            if interest.where.matches(document)
            and (rows is None or found & interest.terms or _similarity(rows, interest) >= LEAST_SIMILARITY)
        ]


def _similarity(rows: Embeddings, interest: Interest) -> float:
    """Of the best window; -1 for a document without any."""
    return float(np.max(rows @ interest.embedding, initial=-1.0))
