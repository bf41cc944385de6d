"""Bodies of ``/v1/ask``, ``/v1/search`` and ``/v1/stats``: fields, limits, examples."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from services.api.answering.events import AskResult
from services.api.answering.evidence import Evidence
from services.api.answering.question import Turn
from services.api.answering.time_window import TimeWindow
from services.api.filters import Filters
from shared.domain import Citation, Hit, Outcome
from shared.events import format_time
from shared.observability.trace_context import current_trace_id

Timestamp = Annotated[
    datetime,
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-22T09:30:00.250Z"]}),
]
"""RFC 3339, UTC, milliseconds."""


def not_blank(text: str) -> str:
    stripped = text.strip()
    if not stripped:
        raise ValueError("must not be blank")
    return stripped


class StrictRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class TurnBody(StrictRequest):
    role: Literal["user", "assistant"]
    content: Annotated[str, AfterValidator(not_blank)] = Field(max_length=8000)

    def to_turn(self) -> Turn:
        return Turn(self.role, self.content)


class SearchRequest(StrictRequest):
    question: Annotated[str, AfterValidator(not_blank)] = Field(
        min_length=1, max_length=2000, examples=["What happened in the last hour?"]
    )
    top_k: int = Field(default=5, ge=1, le=20)
    filters: Filters = Filters()
    recency: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="How much being new counts; default: RETRIEVAL_RECENCY_WEIGHT.",
    )


class AskRequest(SearchRequest):
    stream: bool = False
    history: list[TurnBody] = Field(default=[], max_length=20)


class SourceBody(BaseModel):
    """A document that an answer may come from; ``quote``, its strongest sentence, stands verbatim in it."""

    document_id: str
    title: str
    url: str
    revision: int
    updated_at: Timestamp
    age_seconds: float
    quote: str
    score: float

    @classmethod
    def of(cls, evidence: Evidence, now: datetime) -> SourceBody:
        hit = evidence.hit
        return cls(
            document_id=hit.document_id,
            title=hit.title,
            url=hit.url,
            revision=hit.revision,
            updated_at=hit.updated_at,
            age_seconds=seconds_since(hit.updated_at, now),
            quote=evidence.text,
            score=hit.score,
        )


class CitationBody(BaseModel):
    """``[marker]`` in the answer points here; ``quote`` stands verbatim in the document. ``ingest_trace_id``:
    of the trace in which this revision was read, embedded and stored; ``null`` where it is not known."""

    marker: int
    document_id: str
    title: str
    url: str
    revision: int
    updated_at: Timestamp
    age_seconds: float
    quote: str
    score: float
    ingest_trace_id: str | None

    @classmethod
    def of(cls, citation: Citation, now: datetime) -> CitationBody:
        return cls(
            marker=citation.marker,
            document_id=citation.document_id,
            title=citation.title,
            url=citation.url,
            revision=citation.revision,
            updated_at=citation.updated_at,
            age_seconds=seconds_since(citation.updated_at, now),
            quote=citation.quote,
            score=citation.score,
            ingest_trace_id=citation.ingest_trace_id,
        )


class Usage(BaseModel):
    """Of the language model. Of the passages that speak to the question, ``passages_used`` were shown to
    it, ``passages_shortened`` of these in part, for want of room, and ``passages_dropped`` not at all."""

    input_tokens: int
    output_tokens: int
    passages_used: int
    passages_shortened: int
    passages_dropped: int

    @classmethod
    def of(cls, result: AskResult) -> Usage:
        return cls(
            input_tokens=result.input_tokens,
            output_tokens=result.output_tokens,
            passages_used=result.passages.used,
            passages_shortened=result.passages.shortened,
            passages_dropped=result.passages.dropped,
        )


class WindowBody(BaseModel):
    """Only documents whose ``updated_at`` lies in it were looked at, both bounds included. ``text``: the
    words of the question that mean it; ``null`` where ``filters`` asked for it."""

    since: Timestamp | None
    until: Timestamp | None
    text: str | None

    @classmethod
    def of(cls, window: TimeWindow | None) -> WindowBody | None:
        return None if window is None else cls(since=window.since, until=window.until, text=window.phrase)


class AskResponse(BaseModel):
    """``as_of``: the newest event time that the answer takes into account; ``null`` while nothing is
    indexed. ``freshness_seconds`` is its age. ``cached``: given before, and nothing that it rests on has
    changed, as of now."""

    answer: str
    outcome: Outcome
    citations: list[CitationBody]
    as_of: Timestamp | None
    freshness_seconds: float | None
    window: WindowBody | None
    model: str
    usage: Usage
    timings_ms: dict[str, float]
    cached: bool
    trace_id: str

    @classmethod
    def of(cls, result: AskResult, window: TimeWindow | None, now: datetime) -> AskResponse:
        return cls(
            answer=result.answer.text,
            outcome=result.answer.outcome,
            citations=[CitationBody.of(citation, now) for citation in result.answer.citations],
            as_of=result.as_of,
            freshness_seconds=None if result.as_of is None else seconds_since(result.as_of, now),
            window=WindowBody.of(window),
            model=result.model,
            usage=Usage.of(result),
            timings_ms=result.timings_ms,
            cached=result.cached,
            trace_id=current_trace_id(),
        )


class SourcesEvent(BaseModel):
    """The first event of a streamed answer, before the model is asked: strongest first, not numbered yet."""

    sources: list[SourceBody]
    as_of: Timestamp | None
    window: WindowBody | None


class TokenEvent(BaseModel):
    """Text that follows what came before; ``citations``: those that it is the first to use."""

    text: str
    citations: list[CitationBody]


class HitBody(BaseModel):
    """``score``: in [0, 1], relative to the best possible for this question; higher is better.
    ``ingest_trace_id``: as in a citation."""

    document_id: str
    chunk_id: str
    title: str
    url: str
    text: str
    revision: int
    updated_at: Timestamp
    score: float
    attributes: dict[str, Any]
    ingest_trace_id: str | None

    @classmethod
    def of(cls, hit: Hit) -> HitBody:
        return cls(
            document_id=hit.document_id,
            chunk_id=hit.chunk_id,
            title=hit.title,
            url=hit.url,
            text=hit.text,
            revision=hit.revision,
            updated_at=hit.updated_at,
            score=hit.score,
            attributes=dict(hit.attributes),
            ingest_trace_id=hit.ingest_trace_id,
        )


class SearchResponse(BaseModel):
    hits: list[HitBody]
    as_of: Timestamp | None
    window: WindowBody | None


class StatsResponse(BaseModel):
    documents: int
    chunks: int
    tombstones: int
    as_of: Timestamp | None
    last_indexed_at: Timestamp | None
    freshness_seconds: float | None
    embedder: str
    llm: str
    store: str
    uptime_seconds: float


def seconds_since(moment: datetime, now: datetime) -> float:
    """Never negative: a source's clock may be ahead of ours."""
    return round(max(0.0, (now - moment).total_seconds()), 3)
