"""A question as it came over HTTP → what is asked of ``Answering``, where, and over which time."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.api.answering.events import AnswerEvent, AskResult, IsAbandoned
from services.api.answering.question import Turn, standalone_question
from services.api.answering.time_window import TimedQuestion, TimeWindow, read_time
from services.api.dependencies import Answering
from services.api.error_handlers import InvalidRequest
from services.api.filters import Filters
from services.api.retrieval.scope import Scope
from shared.domain import SearchFilter


@dataclass(frozen=True, slots=True)
class Inquiry:
    """The same for every route that answers. ``question`` is without the phrase of ``window``, and
    ``scope`` has its bounds."""

    question: str
    scope: Scope
    window: TimeWindow | None = None
    history: Sequence[Turn] = ()

    @classmethod
    def read(
        cls,
        question: str,
        *,
        top_k: int,
        recency: float | None = None,
        filters: Filters,
        now: datetime,
        time_zone: str,
        history: Sequence[Turn] = (),
    ) -> Inquiry:
        """What the request says about time wins over what the question says; a follow-up keeps the time
        of the question that it follows.

        :raises InvalidRequest: nothing could match.
        """
        where = search_filter(filters, now)
        timed = _read_with_history(question, history, now, time_zone)
        if where.since is None and where.until is None:
            window = timed.window
            if window is not None:
                where = replace(where, since=window.since, until=window.until)
        else:
            window = TimeWindow(where.since, where.until, None)
        return cls(timed.text, Scope(top_k, where, recency), window, history)

    def ask(self, answering: Answering, is_abandoned: IsAbandoned) -> AskResult:
        return answering.ask(
            self.question,
            self.scope,
            history=self.history,
            is_abandoned=is_abandoned,
        )

    def stream(self, answering: Answering, is_abandoned: IsAbandoned) -> Generator[AnswerEvent, None, None]:
        return answering.stream(
            self.question,
            self.scope,
            history=self.history,
            is_abandoned=is_abandoned,
        )


@dataclass(frozen=True, slots=True)
class StandingInquiry:
    """A question about what comes. ``left_out``: its words about time, which neither ``question`` nor
    ``where`` has: what comes is newer than "an hour ago" anyhow."""

    question: str
    where: SearchFilter
    left_out: str | None

    @classmethod
    def of(cls, inquiry: Inquiry) -> StandingInquiry:
        """:raises InvalidRequest: the question is about a time that is over."""
        window, where = inquiry.window, inquiry.scope.where
        if window is None or window.phrase is None:
            return cls(inquiry.question, where, None)
        if window.until is not None:
            message = (
                f"asks about {window.phrase!r}, which is over; a standing question is about what comes: "
                "leave those words out, or ask /v1/ask"
            )
            raise InvalidRequest([{"field": "question", "message": message}])
        return cls(inquiry.question, replace(where, since=None), window.phrase)


def _read_with_history(
    question: str, history: Sequence[Turn], now: datetime, time_zone: str
) -> TimedQuestion:
    timed = read_time(question, now, time_zone)
    if timed.window is None:
        together = read_time(standalone_question(question, history), now, time_zone)
        if together.window is not None:
            return together
    return timed


def search_filter(filters: Filters, now: datetime) -> SearchFilter:
    """:raises InvalidRequest: nothing could match."""
    try:
        return filters.to_search_filter(now)
    except ValueError as error:
        raise InvalidRequest([{"field": "filters.since", "message": str(error)}]) from None
