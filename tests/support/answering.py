"""An answering service as the API makes one, over a store in memory and an embedder without a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry

from services.api.answering.confidence import MIN_CONFIDENCE
from services.api.answering.reading import Reading
from services.api.answering.service import AnswerService
from services.api.caching.answer_cache import AnswerCache
from services.api.caching.cached_answers import CachedAnswers
from services.api.retrieval.follower import ChangeFollower
from services.api.retrieval.lexical_index import LexicalIndex
from services.api.retrieval.retriever import Retriever, Tuning
from services.api.watching.board import Limits, WatchBoard
from shared.observability.metrics import ApiMetrics
from shared.ports import LLM, Reader, VectorStore
from tests.unit.services.api.retrieval.support import EMBEDDER, FixedClock

WATCH_LIMITS = Limits(total=4, per_owner=2)


@dataclass(frozen=True, slots=True)
class AnsweringBench:
    service: AnswerService
    cache: AnswerCache
    retriever: Retriever
    registry: CollectorRegistry
    metrics: ApiMetrics
    follower: ChangeFollower
    board: WatchBoard

    def lookups(self, result: str) -> float:
        return self.registry.get_sample_value("rag_cache_requests_total", {"result": result}) or 0.0


@contextmanager
def answering(
    store: VectorStore,
    llm: LLM,
    *,
    cache_entries: int = 10,
    max_sentences: int = 1,
    min_confidence: float = MIN_CONFIDENCE,
    reader: Reader | None = None,
) -> Iterator[AnsweringBench]:
    """Nothing but questions makes it follow the store, until ``follower`` is started."""
    registry = CollectorRegistry()
    metrics = ApiMetrics(registry)
    cache = AnswerCache(cache_entries, store.embeddings, metrics)
    reading = Reading(reader, 5, 0.0, metrics) if reader else None
    tuning = Tuning(dense_weight=0.5, recency_weight=0.0, recency_half_life=timedelta(days=1))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        index = stack.enter_context(closing(LexicalIndex(folder / "lexical.sqlite")))
        board = WatchBoard(
            store, EMBEDDER, lambda: follower.reached(), WATCH_LIMITS, metrics, min_confidence, reading
        )
        board.start()
        stack.callback(board.close)
        follower = ChangeFollower(store, index, [cache.take_in, board.take_in])
        stack.callback(follower.close)
        retriever = Retriever(store, index, follower, tuning, FixedClock())
        service = AnswerService(
            store=store,
            retriever=retriever,
            embedder=EMBEDDER,
            llm=llm,
            metrics=metrics,
            cached_answers=CachedAnswers(cache, retriever, metrics),
            max_sentences=max_sentences,
            min_confidence=min_confidence,
            reading=reading,
        )
        yield AnsweringBench(service, cache, retriever, registry, metrics, follower, board)
