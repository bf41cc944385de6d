"""Hybrid retrieval: what the store finds by meaning and what BM25 finds by words, read as whole passages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from services.api.retrieval.diversity import diversified
from services.api.retrieval.follower import ChangeFollower
from services.api.retrieval.fusion import fuse
from services.api.retrieval.lanes import Lanes
from services.api.retrieval.lexical_index import LexicalHit, LexicalIndex
from services.api.retrieval.passages import DocumentPassage, hit_of, passages_of
from services.api.retrieval.recency import RecencyPrior
from services.api.retrieval.reranking import Reranking
from shared.domain import Hit, Match, SearchFilter, StoredDocument
from shared.ports import Clock, VectorStore

if TYPE_CHECKING:
    from shared.ports import Embedding

CANDIDATES = 100
_SPARE = 5
_READ_FOR_RECENCY = 50
"""Documents: how old one is, is known once it is read."""

_CATCH_UP_SECONDS = 0.05

_Key = tuple[str, int]
"""A passage: its document, and the ordinal of its first chunk."""

WordSearch = Future[list[LexicalHit]]
"""A search by words that has begun."""

Timed = Callable[[str], AbstractContextManager[None]]
"""A context that takes the time of the stage that it names."""


def untimed(stage: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Tuning:
    """``dense_weight`` in [0, 1]: the share of similarity in a score, the rest is BM25's."""

    dense_weight: float
    recency_weight: float
    recency_half_life: timedelta


class Retriever:
    """Safe to call from several threads."""

    def __init__(
        self,
        store: VectorStore,
        index: LexicalIndex,
        follower: ChangeFollower,
        tuning: Tuning,
        clock: Clock,
        reranking: Reranking | None = None,
        at_once: int = 1,
    ) -> None:
        """``at_once``: questions that are looked up at the same time; the others wait."""
        self._store = store
        self._index = index
        self._follower = follower
        self._tuning = tuning
        self._clock = clock
        self._reranking = reranking
        self._lanes = Lanes(at_once)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="lexical-search")

    def catch_up(self) -> bool:
        """Whether all that was committed before this call has been taken in, here and by the listeners.

        :raises StoreUnavailable: the store cannot be reached.
        """
        return self._follower.catch_up(_CATCH_UP_SECONDS)

    def begin(self, question: str, top_k: int, where: SearchFilter) -> WordSearch | None:
        """Catch up and search by words while the caller embeds the question, for ``retrieve`` with the same
        arguments. ``None`` where the processor is needed for what other questions wait for."""
        if self._lanes.inside:
            return None
        return self._threads.submit(self._search_words, question, self._candidates(top_k), where)

    def retrieve(
        self,
        question: str,
        embedding: Embedding,
        top_k: int,
        where: SearchFilter,
        recency_weight: float | None = None,
        timed: Timed = untimed,
        in_batch: bool = False,
        begun: WordSearch | None = None,
    ) -> list[Hit]:
        """The ``top_k`` passages that answer best, best first; their ``score`` in [0, 1] is relative to the
        best of this question. ``chunk_id`` names the window that matched, or else the passage's first.

        What is returned was live and current after the question had been asked, whatever the indexes said.
        ``timed`` is told of the stage ``rerank``, where there is one. ``in_batch``: the caller looks up
        several one after the other, and has called ``catch_up`` after all of them had been asked. ``begun``:
        what ``begin`` gave for this question.

        :raises StoreUnavailable: the store cannot be reached.
        """
        prior = self._prior(recency_weight)
        to_rerank = self._reranking.top if self._reranking else 0
        documents = max(top_k + (_READ_FOR_RECENCY if prior.weight else _SPARE), to_rerank)
        with self._lanes.enter() as alone:
            if begun is None and not in_batch:
                self.catch_up()
            hits = self._look_up(question, embedding, where, top_k, documents, alone and not in_batch, begun)
        if self._reranking:
            with timed("rerank"):
                hits = self._reranking.apply(question, hits)
        return diversified(self._with_prior(hits, prior), top_k)

    def _look_up(
        self,
        question: str,
        embedding: Embedding,
        where: SearchFilter,
        top_k: int,
        documents: int,
        alone: bool,
        begun: WordSearch | None,
    ) -> list[Hit]:
        """The passages of the best ``documents``, ``top_k`` or more of them if there are as many."""
        candidates = self._candidates(top_k)
        while True:
            windows, lexical = self._found(question, embedding, candidates, where, alone, begun)
            stored = self._read(self._ranked_documents(windows, lexical)[:documents], where)
            hits = self._passages(stored, windows, lexical)
            if len(hits) >= top_k or (len(windows) < candidates and len(lexical) < candidates):
                return hits
            candidates *= 4  # a few long documents took all places
            begun = None

    def _candidates(self, top_k: int) -> int:
        return max(CANDIDATES, 5 * top_k, 5 * self._reranking.top if self._reranking else 0)

    def _search_words(self, question: str, candidates: int, where: SearchFilter) -> list[LexicalHit]:
        self.catch_up()
        return self._index.search(question, candidates, where)

    def _found(
        self,
        question: str,
        embedding: Embedding,
        candidates: int,
        where: SearchFilter,
        alone: bool,
        begun: WordSearch | None,
    ) -> tuple[list[Match], list[LexicalHit]]:
        """Both at the same time only where no other question needs the processor."""
        if begun is not None:
            return self._store.nearest(embedding, candidates, where), begun.result()
        if not alone:
            return (
                self._store.nearest(embedding, candidates, where),
                self._index.search(question, candidates, where),
            )
        searching = self._threads.submit(self._index.search, question, candidates, where)
        windows = self._store.nearest(embedding, candidates, where)
        return windows, searching.result()

    def newest(self, limit: int, where: SearchFilter) -> list[Hit]:
        """The first passage of each of the ``limit`` documents that changed last, newest first, of score 1.

        What is returned was live and current after the call began, whatever the index said.

        :raises StoreUnavailable: the store cannot be reached.
        """
        self.catch_up()
        stored = self._store.get_many(self._index.newest(limit + _SPARE, where))
        current = [item for item in stored.values() if where.matches(item.document)]
        current.sort(key=lambda item: item.document.updated_at, reverse=True)
        return [hit_of(item, passage) for item in current[:limit] for passage in passages_of(item)[:1]]

    def close(self) -> None:
        self._threads.shutdown()

    def _prior(self, weight: float | None) -> RecencyPrior:
        tuning = self._tuning
        return RecencyPrior(tuning.recency_weight if weight is None else weight, tuning.recency_half_life)

    def _read(self, document_ids: Sequence[str], where: SearchFilter) -> dict[str, StoredDocument]:
        """As they are now, if they still satisfy ``where``."""
        return {
            document_id: stored
            for document_id, stored in self._store.get_many(document_ids).items()
            if where.matches(stored.document)
        }

    def _ranked_documents(self, windows: Sequence[Match], lexical: Sequence[LexicalHit]) -> list[str]:
        """By the best of each: good enough to tell which documents are worth reading."""
        # Both come best first; what is put in last stays.
        scores = fuse(
            {window.document_id: window.score for window in reversed(windows)},
            {hit.document_id: hit.score for hit in reversed(lexical)},
            self._tuning.dense_weight,
        )
        return sorted(scores, key=lambda document_id: (-scores[document_id], document_id))

    def _passages(
        self,
        stored: Mapping[str, StoredDocument],
        windows: Sequence[Match],
        lexical: Sequence[LexicalHit],
    ) -> list[Hit]:
        """The passages around what was found, best first."""
        passages = {document_id: passages_of(document) for document_id, document in stored.items()}
        found = _windows_by_passage(passages, windows)
        scores = fuse(
            {key: window.score for key, window in found.items()},
            {(hit.document_id, hit.first): hit.score for hit in lexical},
            self._tuning.dense_weight,
        )
        hits = [
            hit_of(stored[document_id], passage, score, found.get((document_id, passage.first)))
            for document_id, of_document in passages.items()
            for passage in of_document
            if (score := scores.get((document_id, passage.first))) is not None
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))

    def _with_prior(self, hits: Sequence[Hit], prior: RecencyPrior) -> list[Hit]:
        """Best first; equal ones in the order that they have."""
        if not prior.weight:
            return list(hits)
        now = self._clock.now()
        weighed = [replace(hit, score=prior.apply(hit.score, hit.updated_at, now)) for hit in hits]
        return sorted(weighed, key=lambda hit: -hit.score)


def _windows_by_passage(
    passages: Mapping[str, Sequence[DocumentPassage]], windows: Sequence[Match]
) -> dict[_Key, Match]:
    """The best window in each passage. One that the document no longer has, because it has changed since it
    was searched, is left out."""
    found: dict[_Key, Match] = {}
    for window in windows:
        for passage in passages.get(window.document_id, ()):
            if passage.first <= window.ordinal <= passage.last:
                found.setdefault((window.document_id, passage.first), window)
    return found
