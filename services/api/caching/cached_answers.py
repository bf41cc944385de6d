"""Whether a kept answer may be given again."""

from __future__ import annotations

from services.api.caching.answer_cache import AnswerCache, CachedAnswer, CacheKey
from services.api.retrieval.retriever import Retriever
from services.api.retrieval.scope import Scope
from shared.observability.metrics import ApiMetrics


class CachedAnswers:
    """Safe to call from several threads."""

    def __init__(self, cache: AnswerCache, retriever: Retriever, metrics: ApiMetrics) -> None:
        self._cache = cache
        self._retriever = retriever
        self._metrics = metrics

    @property
    def moment(self) -> int:
        """To be taken before passages are looked for that ``keep`` is called with."""
        return self._cache.moment

    def find(self, question: str, scope: Scope) -> CachedAnswer | None:
        """An answer that a new look at the index, as it is now, would be made from the same passages.

        :raises StoreUnavailable: the store cannot be reached.
        """
        key = CacheKey.of(question, scope)
        if not _may_be_kept(scope) or not self._retriever.catch_up():
            return None
        found = self._cache.get(key)
        if found is None:
            self._metrics.cache_lookups.labels("miss").inc()
            return None
        cached, doubtful = found
        if doubtful and not self._holds(question, key, cached):
            self._cache.discard(key, cached)
            self._metrics.cache_lookups.labels("invalidated").inc()
            return None
        self._metrics.cache_lookups.labels("hit").inc()
        return cached

    def keep(self, question: str, scope: Scope, cached: CachedAnswer, moment: int) -> None:
        if _may_be_kept(scope):
            self._cache.put(CacheKey.of(question, scope), cached, moment)

    def _holds(self, question: str, key: CacheKey, cached: CachedAnswer) -> bool:
        moment = self._cache.moment
        hits = self._retriever.retrieve(
            question, cached.interest.embedding, key.scope.top_k, key.scope.where, key.scope.recency
        )
        if not cached.rests_on(hits):
            return False
        self._cache.confirm(key, cached, moment)
        return True


def _may_be_kept(scope: Scope) -> bool:
    """What lies in a stretch of time, or is best because it is new, changes by waiting, and no change of the
    index tells."""
    return scope.where.since is None and scope.where.until is None and not scope.recency
