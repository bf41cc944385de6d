"""What waits for the encoder, and what goes through it together. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from opentelemetry.trace import INVALID_SPAN, Span

from services.processor.work import Poison, Ticket, Work
from shared.domain import WriteOutcome
from shared.ports import EmbeddedDocument


@dataclass(slots=True, eq=False)
class Batch:
    """What is left to do. The writer empties it step by step, so after a failure it can go on where it
    stopped, and nothing is counted twice.

    ``embedded`` goes with ``upserts``, one for one, once the encoder is through and ``is_ready`` says so.
    ``started``: seconds.
    """

    upserts: list[Work] = field(default_factory=list)
    deletes: list[Work] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)
    embedded: list[EmbeddedDocument] = field(default_factory=list)
    span: Span = INVALID_SPAN
    started: float = 0.0
    is_ready: bool = False

    def tickets(self) -> list[Ticket]:
        works = [work.ticket for work in (*self.upserts, *self.deletes)]
        return works + [item.ticket for item in self.poison]


class Waiting:
    """Works in order of arrival, at most one for each document: the newest."""

    def __init__(self) -> None:
        self._works: dict[str, tuple[Work, int]] = {}
        self._poison: list[Poison] = []
        self._tokens = 0

    def __len__(self) -> int:
        return len(self._works) + len(self._poison)

    @property
    def tokens(self) -> int:
        """To be embedded for all of them."""
        return self._tokens

    def add_poison(self, poison: Poison) -> None:
        self._poison.append(poison)

    def add(self, work: Work) -> WriteOutcome | None:
        """Takes the place of an older version that is still waiting, or gives way to a newer one.

        The loser's ticket is done: as long as the winner is not written, the winner's record is not
        committed. Returns what became of the loser; ``None`` where there was none.
        """
        earlier, _ = self._works.get(work.document_id, (None, 0))
        if earlier is None or earlier.ticket.abandoned:
            self._put(work)
            return None
        version, waiting_version = work.event.document.version, earlier.event.document.version
        if version > waiting_version:
            work.known = earlier.known  # what the earlier one would have left is never written
            self._put(work)
            earlier.ticket.done = True
            return WriteOutcome.STALE
        work.ticket.done = True
        return WriteOutcome.DUPLICATE if version == waiting_version else WriteOutcome.STALE

    def take(self, max_tokens: int, max_records: int) -> Batch:
        """The first works, up to ``max_tokens`` to embed, but at least one; all poison."""
        batch = Batch(poison=[item for item in self._poison if not item.ticket.abandoned])
        self._poison.clear()
        tokens = 0
        for document_id, (work, work_tokens) in list(self._works.items()):
            taken = len(batch.upserts) + len(batch.deletes)
            if not work.ticket.abandoned:
                if taken and (tokens + work_tokens > max_tokens or taken >= max_records):
                    break
                (batch.deletes if work.is_delete else batch.upserts).append(work)
                tokens += work_tokens
            del self._works[document_id]
            self._tokens -= work_tokens
        return batch

    def _put(self, work: Work) -> None:
        _, tokens_before = self._works.get(work.document_id, (None, 0))
        tokens = work.fresh_tokens
        self._works[work.document_id] = work, tokens
        self._tokens += tokens - tokens_before
