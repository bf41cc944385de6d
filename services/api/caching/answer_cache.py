"""Answers kept for repeated questions; none outlives what it was made from.

Every change of the index is matched against every kept question. One that it may concern is only given again
once retrieval has found the very same passages; until then it counts as doubtful. What no change concerns is
given at once. No entry depends on a time to live.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.api.answering.evidence import Evidence
from services.api.matching.interest import ChangedDocuments, Interest
from services.api.retrieval.follower import Applied
from services.api.retrieval.scope import Scope
from shared.domain import Answer, Hit
from shared.errors import StoreUnavailable
from shared.observability.metrics import ApiMetrics

if TYPE_CHECKING:
    from shared.ports import Embeddings

MATCHED_AT_ONCE = 200
"""Of a larger batch of changes every entry is in doubt: to match it would hold up the searches."""


@dataclass(frozen=True, slots=True)
class CacheKey:
    """All that the passages depend on, but for the index."""

    question: str
    scope: Scope

    @staticmethod
    def of(question: str, scope: Scope) -> CacheKey:
        return CacheKey(" ".join(question.split()).casefold(), scope)


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """``hits``: all that retrieval found, in order; ``evidence``: what of it the answer was made from."""

    answer: Answer
    evidence: tuple[Evidence, ...]
    hits: tuple[Hit, ...]
    interest: Interest

    def rests_on(self, hits: Sequence[Hit]) -> bool:
        """Whether retrieval has found the same again. Scores may differ: they depend on all the rest."""
        return list(map(_identity, self.hits)) == list(map(_identity, hits))


def _identity(hit: Hit) -> tuple[object, ...]:
    return hit.document_id, hit.revision, hit.updated_at, hit.title, hit.text


@dataclass(slots=True)
class _Entry:
    cached: CachedAnswer
    documents: frozenset[str]
    doubtful: bool


class AnswerCache:
    """Least recently used entries go first. Safe to call from several threads."""

    def __init__(
        self,
        capacity: int,
        read_embeddings: Callable[[Sequence[str]], Mapping[str, Embeddings]],
        metrics: ApiMetrics,
    ) -> None:
        """``capacity``: in answers; 0 keeps none."""
        self._capacity = capacity
        self._read_embeddings = read_embeddings
        self._metrics = metrics
        self._lock = threading.Lock()
        self._entries: OrderedDict[CacheKey, _Entry] = OrderedDict()
        self._moment = 0

    @property
    def moment(self) -> int:
        """Grows with every batch of changes: take it before looking, hand it to ``put`` or ``confirm``."""
        return self._moment

    def take_in(self, applied: Applied) -> None:
        """Listens to the change follower: when this returns, what the changes may concern is in doubt."""
        with self._lock:
            self._moment += 1
            certain = [entry for entry in self._entries.values() if not entry.doubtful]
        if not certain:
            return
        if applied.restarted or len(applied.changes) > MATCHED_AT_ONCE:
            _doubt(certain)
            return
        changed = frozenset(change.document_id for change in applied.changes)
        _doubt(entry for entry in certain if not changed.isdisjoint(entry.documents))
        if not applied.documents:
            return
        try:
            documents = ChangedDocuments(applied, self._read_embeddings(list(applied.documents)))
            concerned = [entry for entry in certain if documents.concerning(entry.cached.interest)]
        except StoreUnavailable:
            concerned = certain
        except Exception:
            _doubt(certain)  # the change is not told of again
            raise
        _doubt(concerned)

    def get(self, key: CacheKey) -> tuple[CachedAnswer, bool] | None:
        """The answer, and whether it is in doubt: then find out, and ``confirm`` or ``discard`` it."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry.cached, entry.doubtful

    def put(self, key: CacheKey, cached: CachedAnswer, moment: int) -> None:
        """``moment``: from before the passages were looked for."""
        if not self._capacity:
            return
        documents = frozenset(hit.document_id for hit in cached.hits)
        with self._lock:
            self._entries[key] = _Entry(cached, documents, doubtful=moment != self._moment)
            self._entries.move_to_end(key)
            while len(self._entries) > self._capacity:
                self._entries.popitem(last=False)
            self._metrics.cached_answers.set(len(self._entries))

    def confirm(self, key: CacheKey, cached: CachedAnswer, moment: int) -> None:
        """Its passages were found to be the same, as of ``moment``."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.cached is cached and moment == self._moment:
                entry.doubtful = False

    def discard(self, key: CacheKey, cached: CachedAnswer) -> None:
        """It rests on what is no longer so."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.cached is cached:
                del self._entries[key]
                self._metrics.cached_answers.set(len(self._entries))


def _doubt(entries: Iterable[_Entry]) -> None:
    for entry in entries:
        entry.doubtful = True
