"""Several requests to ``/v1/search`` at a time: embedded together, then looked up one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from opentelemetry import trace

from services.api.dependencies import Dependencies
from services.api.inquiry import Inquiry
from services.api.line import Waiting
from services.api.schemas import HitBody, SearchResponse, WindowBody

if TYPE_CHECKING:
    from shared.ports import Embedding


class Searches:
    """Safe to call from several threads."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    def answer(self, asked: Sequence[Waiting[Inquiry]]) -> list[str | Exception]:
        """The JSON for each, or why there is none.

        :raises StoreUnavailable: the store cannot be reached.
        """
        # Taken before the searches: what was indexed up to here is certainly taken into account.
        as_of = self._deps.store.stats().as_of
        embeddings = self._deps.question_embedder.embed(
            [waiting.item.question for waiting in asked],
            [waiting.context.run(trace.get_current_span) for waiting in asked],
        )
        in_batch = len(asked) > 1
        if in_batch:
            self._deps.answering.catch_up()
        return [
            waiting.context.run(self._look_up, waiting.item, embedding, as_of, in_batch)
            for waiting, embedding in zip(asked, embeddings, strict=True)
        ]

    def _look_up(
        self, inquiry: Inquiry, embedding: Embedding, as_of: datetime | None, in_batch: bool
    ) -> str | Exception:
        try:
            hits = self._deps.answering.search(inquiry.question, embedding, inquiry.scope, in_batch=in_batch)
        except Exception as error:  # noqa: BLE001 - of this request alone; the line hands it to the route
            return error
        return SearchResponse(
            hits=[HitBody.of(hit) for hit in hits], as_of=as_of, window=WindowBody.of(inquiry.window)
        ).model_dump_json()
