"""One standing question, and what it has been told. Used from one thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from services.api.answering.evidence import Evidence
from services.api.matching.interest import ChangedDocuments, Interest
from services.api.retrieval.follower import Applied
from services.api.retrieval.passages import hit_of, passages_of
from services.api.watching.events import EvidenceEvent, NewEvidence, Withdrawn
from shared.domain import Hit, StoredDocument

Weigh = Callable[[str, Interest, Sequence[Hit]], Sequence[Evidence]]
"""The sufficient evidence in the passages, strongest first."""

_REMEMBERED = 1_000


class StandingQuestion:
    def __init__(self, text: str, interest: Interest, weigh: Weigh) -> None:
        self.text = text
        self._interest = interest
        self._weigh = weigh
        self._told: OrderedDict[str, str] = OrderedDict()
        """The quote of each document that was told of; of the last thousand."""

    def examine(self, applied: Applied, documents: ChangedDocuments) -> list[EvidenceEvent]:
        """What is new for it in one batch of changes. Only the last event leads behind the batch, so who
        goes on after an earlier one is told some again, and misses nothing."""
        concerning = frozenset(documents.concerning(self._interest))
        found = [
            event
            for change in applied.changes
            for event in self._changed(
                change.document_id,
                applied.documents.get(change.document_id) if change.document_id in concerning else None,
                applied.after or applied.cursor,
            )
        ]
        if found:
            found[-1] = _at(found[-1], applied.cursor)
        return found

    def _changed(
        self, document_id: str, stored: StoredDocument | None, position: str
    ) -> Iterator[EvidenceEvent]:
        evidence = self._weigh(self.text, self._interest, _hits(stored)) if stored is not None else ()
        if not evidence:
            if self._told.pop(document_id, None) is not None:
                yield Withdrawn(document_id, position)
            return
        quote = evidence[0].text
        if self._told.get(document_id) == quote:
            return
        self._told[document_id] = quote
        self._told.move_to_end(document_id)
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        yield NewEvidence(evidence[0], position)


def _hits(stored: StoredDocument) -> list[Hit]:
    """Every passage of the document, as if it had been found."""
    return [hit_of(stored, passage) for passage in passages_of(stored)]


def _at(event: EvidenceEvent, position: str) -> EvidenceEvent:
    return replace(event, position=position)
