"""The words of the system. Standard library only; no I/O.

Times are timezone-aware UTC with millisecond precision, everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

AttributeValue = str | int | bool


def truncate_to_milliseconds(moment: datetime) -> datetime:
    """The moment in UTC with the precision that every store keeps.

    :raises ValueError: for a naive datetime.
    """
    if moment.tzinfo is None:
        raise ValueError(f"naive datetime {moment!r}: a UTC offset is required")
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def epoch_milliseconds(moment: datetime) -> int:
    """Exact, where ``int(moment.timestamp() * 1000)`` is off by one now and then."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def from_epoch_milliseconds(milliseconds: int) -> datetime:
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Orders the states of one document.

    The time breaks ties because one revision id is reused by delete, undelete and visibility changes.
    """

    revision: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Document:
    """The whole source text, as of one version.

    ``ingest_trace_id``: of the trace of the event that brought this version, 32 hexadecimal digits; ``None``
    where that carried none, or is not known any more.
    """

    document_id: str
    source: str
    title: str
    text: str
    url: str
    revision: int
    updated_at: datetime
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    ingest_trace_id: str | None = None

    @property
    def version(self) -> Version:
        return Version(self.revision, self.updated_at)


@dataclass(frozen=True, slots=True)
class Chunk:
    """An indexed slice of a document.

    ``content_hash`` covers everything that the embedding depends on (title and text), so an equal hash
    means that the stored embedding can be used again.
    """

    document_id: str
    ordinal: int
    text: str
    content_hash: str

    @property
    def chunk_id(self) -> str:
        return f"{self.document_id}#{self.ordinal}"


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A live document as a store holds it."""

    document: Document
    chunks: tuple[Chunk, ...]
    indexed_at: datetime


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that matched; ``score`` is cosine similarity, higher is better. ``ingest_trace_id``: of its
    ``Document``."""

    chunk_id: str
    document_id: str
    source: str
    title: str
    url: str
    text: str
    revision: int
    updated_at: datetime
    score: float
    attributes: Mapping[str, AttributeValue]
    ingest_trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A chunk that matched, without its content; ``score`` is cosine similarity, higher is better."""

    document_id: str
    ordinal: int
    score: float

    @property
    def chunk_id(self) -> str:
        return f"{self.document_id}#{self.ordinal}"


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """What a hit must satisfy. An empty collection or ``None`` leaves that dimension open.

    ``since`` and ``until`` bound ``updated_at``, both inclusive.
    """

    wikis: frozenset[str] = frozenset()
    namespaces: frozenset[int] = frozenset()
    sources: frozenset[str] = frozenset()
    exclude_bots: bool = False
    since: datetime | None = None
    until: datetime | None = None

    def matches(self, document: Document) -> bool:
        attributes = document.attributes
        return (
            (not self.wikis or attributes.get("wiki") in self.wikis)
            and (not self.namespaces or attributes.get("namespace") in self.namespaces)
            and (not self.sources or document.source in self.sources)
            and not (self.exclude_bots and attributes.get("bot") is True)
            and (self.since is None or document.updated_at >= self.since)
            and (self.until is None or document.updated_at <= self.until)
        )


class WriteOutcome(StrEnum):
    """What a versioned write did."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    STALE = "stale"
    UNRESOLVED = "unresolved"
    """Not written: an embedding that was to be reused is not there. Embed the document in full."""


class ChangeKind(StrEnum):
    INDEXED = "indexed"
    REMOVED = "removed"
    PURGED = "purged"
    """Removed by retention; it may come back with the same version."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a store's change feed."""

    document_id: str
    kind: ChangeKind
    version: Version
    indexed_at: datetime


@dataclass(frozen=True, slots=True)
class ChangePage:
    """``cursor`` is opaque: pass it to the next call to go on after the last change of this page."""

    changes: tuple[Change, ...]
    cursor: str


@dataclass(frozen=True, slots=True)
class StoreStats:
    """``as_of`` is the newest event time that the store reflects; ``None`` while it is empty."""

    documents: int
    chunks: int
    tombstones: int
    as_of: datetime | None
    last_indexed_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoreFootprint:
    """In bytes. ``limit_bytes``: what the store may take as things are; ``None``: nothing limits it."""

    used_bytes: int
    limit_bytes: int | None


@dataclass(frozen=True, slots=True)
class Passage:
    """A hit as shown to a language model, under the ``[marker]`` that answers cite it by."""

    marker: int
    hit: Hit


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a language model is asked. Adapters with a model use ``system`` and ``user``; the
    extractive one works from the question and the passages themselves."""

    system: str
    user: str
    question: str
    passages: tuple[Passage, ...]
    max_output_tokens: int


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens that a language model counted itself, its chat template included."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class FoundSpan:
    """Where a passage answers a question, if it does: ``passage[start:end]``, in characters. ``score``: of
    that answer, the sum of two logits; ``no_answer_score``: of there being none. A passage without a word
    has an empty span, with a score of minus infinity."""

    start: int
    end: int
    score: float
    no_answer_score: float

    @property
    def null_odds(self) -> float:
        """Those of SQuAD 2.0, as a logarithm: above 0 the model holds that the passage does not answer."""
        return self.no_answer_score - self.score


class Outcome(StrEnum):
    """How a question ended."""

    ANSWERED = "answered"
    NO_CONTEXT = "no_context"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True)
class Citation:
    """The pointer from ``[marker]`` in an answer to the source; ``quote`` occurs verbatim in it, and
    ``ingest_trace_id`` is that of the ``Document``."""

    marker: int
    document_id: str
    title: str
    url: str
    revision: int
    updated_at: datetime
    quote: str
    score: float
    ingest_trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    outcome: Outcome
    citations: tuple[Citation, ...]
