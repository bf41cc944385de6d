"""A question as it came over HTTP → what is asked of ``Answering``."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.api.answering.events import AnswerEvent, AskResult, IsAbandoned
from services.api.answering.question import Turn
from services.api.dependencies import Answering
from services.api.error_handlers import InvalidRequest
from services.api.filters import Filters
from shared.domain import SearchFilter


@dataclass(frozen=True, slots=True)
class Inquiry:
    """The same for every route that answers."""

    question: str
    top_k: int
    where: SearchFilter
    history: Sequence[Turn]

    def ask(self, answering: Answering, is_abandoned: IsAbandoned) -> AskResult:
        return answering.ask(
            self.question,
            top_k=self.top_k,
            where=self.where,
            history=self.history,
            is_abandoned=is_abandoned,
        )

    def stream(self, answering: Answering, is_abandoned: IsAbandoned) -> Generator[AnswerEvent, None, None]:
        return answering.stream(
            self.question,
            top_k=self.top_k,
            where=self.where,
            history=self.history,
            is_abandoned=is_abandoned,
        )


def search_filter(filters: Filters, now: datetime) -> SearchFilter:
    """:raises InvalidRequest: nothing could match."""
    try:
        return filters.to_search_filter(now)
    except ValueError as error:
        raise InvalidRequest([{"field": "filters.since", "message": str(error)}]) from None
