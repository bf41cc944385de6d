"""The store: one generation of shards at a time, the one that the pointer names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from shared.clock import SystemClock
from shared.domain import (
    ChangePage,
    Hit,
    Match,
    SearchFilter,
    StoredDocument,
    StoreFootprint,
    StoreStats,
    Version,
    WriteOutcome,
    epoch_milliseconds,
    truncate_to_milliseconds,
)
from shared.errors import StoreUnavailable, WritesLost
from shared.ports import Clock, EmbeddedDocument
from shared.settings import VectorStoreSettings
from shared.vector_store import laws
from shared.vector_store.redis_store import feed, reads, retention, writes
from shared.vector_store.redis_store.checks import check_servers
from shared.vector_store.redis_store.failures import GenerationGone, WritersHeldBack, shown
from shared.vector_store.redis_store.generation import (
    Description,
    check_match,
    lost,
    new_description,
    open_current,
    read_current,
)
from shared.vector_store.redis_store.route import read_password
from shared.vector_store.redis_store.search import Search
from shared.vector_store.redis_store.servers import Servers
from shared.vector_store.redis_store.shards import Shards

if TYPE_CHECKING:
    from shared.ports import Embedding, Embeddings

_LOOK_SECONDS = 2.0  # how long a switch to another generation may go unnoticed by one who only waits

Result = TypeVar("Result")
Found = TypeVar("Found", Hit, Match)


class RedisStore:
    """The ranking is exact in small shards and where a filter lets little through, else approximate; scores,
    filters and the number of hits always keep the port's laws."""

    def __init__(
        self,
        servers: Servers,
        description: Description,
        settings: VectorStoreSettings,
        *,
        follow: bool = True,
        clock: Clock | None = None,
    ) -> None:
        """Takes ``servers`` over, and closes them in the end. Without ``follow`` it stays with the
        generation of ``description``, whatever the pointer says."""
        self._servers = servers
        self._prefix = settings.redis_prefix
        self._ef = settings.redis_ef
        self._wait_replicas = settings.redis_wait_replicas
        self._follow = follow
        self._clock: Clock = clock or SystemClock()
        self._wanted = description
        self._shards = Shards(servers, self._prefix, description)
        self._looked_at = self._clock.monotonic()
        self._left_unflushed = False
        self._lock = threading.Lock()

    def replace(self, documents: Sequence[EmbeddedDocument]) -> list[WriteOutcome]:
        items = [laws.checked(item, self._wanted.dimension) for item in documents]
        return self._on_current(lambda shards: writes.replace_documents(shards, items, self._now_ms()))

    def delete(self, document_id: str, version: Version) -> WriteOutcome:
        version = laws.truncated(version)
        return self._on_current(
            lambda shards: writes.delete_document(shards, document_id, version, self._now_ms())
        )

    def flush(self) -> None:
        self._on_current(self._flush)

    def _flush(self, shards: Shards) -> None:
        shards.journal.flush(self._wait_replicas)
        with self._lock:
            left, self._left_unflushed = self._left_unflushed, False
        if left:
            raise WritesLost("a rebuild switched the store before the newest writes were flushed")

    def content_hashes(self, document_ids: Sequence[str]) -> dict[str, frozenset[str]]:
        return self._on_current(lambda shards: reads.content_hashes(shards, document_ids))

    def get_many(self, document_ids: Sequence[str]) -> dict[str, StoredDocument]:
        return self._on_current(lambda shards: reads.live_documents(shards, document_ids))

    def embeddings(self, document_ids: Sequence[str]) -> dict[str, Embeddings]:
        return self._on_current(lambda shards: reads.embeddings(shards, document_ids))

    def search(self, embedding: Embedding, top_k: int, where: SearchFilter | None = None) -> list[Hit]:
        return self._on_current(self._asked(embedding, top_k, where, Search.hits))

    def nearest(self, embedding: Embedding, top_k: int, where: SearchFilter | None = None) -> list[Match]:
        return self._on_current(self._asked(embedding, top_k, where, Search.matches))

    def _asked(
        self,
        embedding: Embedding,
        top_k: int,
        where: SearchFilter | None,
        ask: Callable[[Search], list[Found]],
    ) -> Callable[[Shards], list[Found]]:
        laws.checked_count("top_k", top_k)
        query = laws.checked_embedding(embedding, self._wanted.dimension)
        return lambda shards: ask(Search(self._servers, shards.tags, query, top_k, where, self._ef))

    def changes(self, after: str | None, limit: int) -> ChangePage:
        laws.checked_count("limit", limit)
        return self._on_current(
            lambda shards: feed.change_page(
                self._servers, shards.description.generation, shards.tags, after, limit
            )
        )

    def stats(self) -> StoreStats:
        return self._on_current(lambda shards: reads.store_stats(shards, self._now()))

    def footprint(self) -> StoreFootprint:
        return self._on_current(reads.footprint)

    def purge(self, max_age: timedelta | None, max_chunks: int | None) -> int:
        now = self._now_ms()
        older_than = None if max_age is None else now - max_age // timedelta(milliseconds=1)
        return self._on_current(
            lambda shards: retention.purge(
                self._servers,
                shards.journal,
                shards.tags,
                now=now,
                older_than=older_than,
                max_chunks=max_chunks,
            )
        )

    def expire_tombstones(self, older_than: timedelta) -> int:
        removed_before = self._now_ms() - older_than // timedelta(milliseconds=1)
        return self._on_current(lambda shards: retention.expire(shards.journal, shards.tags, removed_before))

    def close(self) -> None:
        self._servers.close()

    def _on_current(self, operation: Callable[[Shards], Result]) -> Result:
        """Run it on the current generation; again, should the pointer move meanwhile."""
        if self._follow and self._clock.monotonic() - self._looked_at > _LOOK_SECONDS:
            self._look()
        while True:
            shards = self._shards
            try:
                return operation(shards)
            except (GenerationGone, WritersHeldBack) as error:
                if self._follow:
                    self._look()
                if self._shards is not shards:
                    continue
                if isinstance(error, WritersHeldBack):
                    raise StoreUnavailable(
                        f"REDIS_URL={shown(self._servers.url)}: a rebuild is about to switch the store; "
                        f"writers wait"
                    ) from None
                raise lost(self._servers, self._prefix) from None

    def _look(self) -> None:
        """Follow the pointer.

        :raises StoreMismatch: to a generation that was built with other settings.
        """
        current = read_current(self._servers, self._prefix)
        if current is None:
            raise lost(self._servers, self._prefix)
        with self._lock:
            self._looked_at = self._clock.monotonic()
            if current != self._shards.description:
                check_match(current, self._wanted)
                self._left_unflushed |= not self._shards.journal.is_flushed
                self._shards = Shards(self._servers, self._prefix, current)

    def _now(self) -> datetime:
        return truncate_to_milliseconds(self._clock.now())

    def _now_ms(self) -> int:
        return epoch_milliseconds(self._clock.now())


def connect(settings: VectorStoreSettings) -> Servers:
    """:raises ConfigurationError: the server refuses the user.
    :raises StoreUnavailable: no server answers.
    """
    password = read_password(settings.redis_url, settings.redis_password_file)
    return Servers(settings.redis_url, password, settings.redis_timeout_seconds)


def open_redis_store(
    settings: VectorStoreSettings, *, embedder_name: str, dimension: int, clock: Clock | None = None
) -> RedisStore:
    """Open the store under ``REDIS_PREFIX``, creating it where there is none.

    :raises ConfigurationError: the server cannot hold the store, or it was built with other settings
        (``StoreMismatch``).
    :raises StoreDamaged: keys of the store are gone.
    :raises StoreUnavailable: no server answers.
    """
    wanted = new_description(
        embedder_name=embedder_name,
        dimension=dimension,
        shards=settings.redis_shards,
        quantization=settings.redis_quantization,
    )
    servers = connect(settings)
    try:
        check_servers(servers, settings)
        current = open_current(servers, settings.redis_prefix, wanted)
    except BaseException:
        servers.close()
        raise
    return RedisStore(servers, current, settings, clock=clock)
