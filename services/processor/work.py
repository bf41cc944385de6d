"""What is in flight between Kafka and the store. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from opentelemetry.context import Context

from services.processor.chunker import EmbeddableChunk
from shared.errors import InvalidReason
from shared.events import DocumentEvent, Operation
from shared.observability.trace_context import extract_context
from shared.ports import Record


@dataclass(slots=True, eq=False)
class Ticket:
    """One record in flight. Shared by the loop's thread and the stages, which only ever set the flags.

    ``done``: its effects are in the store, or it needs none. ``abandoned``: another member (or this one,
    later) will read it again, so it need not be worked on; to finish it does no harm.
    """

    record: Record
    done: bool = False
    abandoned: bool = False
    _context: Context | None = field(default=None, init=False, repr=False)

    @property
    def context(self) -> Context:
        """The trace that the record carries; empty where it carries none."""
        if self._context is None:
            self._context = extract_context(self.record.headers)
        return self._context


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that can never be processed, and why. ``record`` is what goes to the dead letter topic."""

    ticket: Ticket
    record: Record
    reason: InvalidReason
    detail: str


@dataclass(slots=True, eq=False)
class Work:
    """An event and the chunks that it makes of its document; none for a delete.

    ``known``: content hashes of the chunks that the store will have for this document when it comes to
    this work, so that their embeddings can be reused. A guess: the store has the last word. ``None``:
    reuse them all, because the store seems to hold this version or a newer one already.
    """

    ticket: Ticket
    event: DocumentEvent
    chunks: tuple[EmbeddableChunk, ...]
    known: frozenset[str] | None

    @property
    def document_id(self) -> str:
        return self.event.document.document_id

    @property
    def is_delete(self) -> bool:
        return self.event.op is Operation.DELETE

    @property
    def fresh(self) -> list[EmbeddableChunk]:
        """The chunks to embed."""
        known = self.known
        if known is None:
            return []
        return [item for item in self.chunks if item.chunk.content_hash not in known]

    @property
    def fresh_tokens(self) -> int:
        return sum(item.tokens for item in self.fresh)
