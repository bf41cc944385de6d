"""Bodies of ``/v1/watch``: the request and the data of its events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from services.api.answering.evidence import Evidence
from services.api.filters import Filters
from services.api.schemas import SourceBody, StrictRequest, not_blank


class WatchRequest(StrictRequest):
    """``answer``: also send the answer, at the beginning and whenever it has changed."""

    question: Annotated[str, AfterValidator(not_blank)] = Field(
        min_length=1, max_length=2000, examples=["Which bridges are closed?"]
    )
    filters: Filters = Filters()
    answer: bool = False
    top_k: int = Field(default=5, ge=1, le=20)


class WatchingEvent(BaseModel):
    """``left_out``: the words of the question about time, which are not matched. ``gap``: the id that was
    asked for is too old, so some may have been missed."""

    question: str
    left_out: str | None
    gap: bool


class EvidenceEvent(SourceBody):
    """``text``: the passage around ``quote``."""

    chunk_id: str
    text: str

    @classmethod
    def of(cls, evidence: Evidence, now: datetime) -> EvidenceEvent:
        hit = evidence.hit
        source = SourceBody.of(evidence, now)
        return cls(**source.model_dump(), chunk_id=hit.chunk_id, text=hit.text)


class WithdrawnEvent(BaseModel):
    """It was removed, or does not answer any more."""

    document_id: str


class EndedEvent(BaseModel):
    reason: str
