"""The ports between the services and the outside world. Each states its laws, not only its types.

All ports are synchronous. The in-memory adapters (``memory_store``, ``memory_broker``, ``hashing``,
``extractive``) are the reference: the contract tests hold every other adapter against them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from shared.domain import (
    ChangePage,
    Chunk,
    Document,
    FoundSpan,
    Hit,
    Match,
    Prompt,
    SearchFilter,
    StoredDocument,
    StoreFootprint,
    StoreStats,
    TokenUsage,
    Version,
    WriteOutcome,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Embedding = NDArray[np.float32]  # (dimension,), unit norm
    Embeddings = NDArray[np.float32]  # (n, dimension), rows of unit norm


class Clock(Protocol):
    """Time, so that tests can own it."""

    def now(self) -> datetime:
        """Wall clock, UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class EmbeddedDocument:
    """A document, its chunks in order, and one embedding for each.

    ``None`` in place of an embedding means: reuse the one that this document's stored chunk with the
    same ``content_hash`` has.
    """

    document: Document
    chunks: tuple[Chunk, ...]
    embeddings: tuple[Embedding | None, ...]


class VectorStore(Protocol):
    """Documents, their chunks and embeddings, searchable by cosine similarity.

    Several processes may open one store; a committed write is visible to the next search of each.
    Every method is safe to call from several threads.

    :raises StoreUnavailable: from any method, while the store cannot be reached.
    """

    def replace(self, documents: Sequence[EmbeddedDocument]) -> list[WriteOutcome]:
        """Make each document's chunks exactly these, if its version is newer than what is stored.

        Per document atomic: a reader sees all old chunks or all new ones, never a mix. Equal version:
        ``DUPLICATE``, nothing changes. Lower version, or lower than a tombstone: ``STALE``, nothing
        changes. An embedding to be reused is not there: ``UNRESOLVED``, nothing changes. Within one call,
        the events of one document are applied in order. Outcomes are in the order of ``documents``, and
        are returned when the writes are visible to every reader; ``flush`` makes them durable.

        :raises StoreUnavailable: any of the documents may have been written, or none; write them again.
        """

    def delete(self, document_id: str, version: Version) -> WriteOutcome:
        """Remove the document and keep a tombstone, if ``version`` is newer than what is stored.

        Deleting an unknown document keeps a tombstone too: its edits may still be under way. Equal to
        the stored version: ``DUPLICATE``; lower: ``STALE``.
        """

    def flush(self) -> None:
        """Return when all that this object wrote before is durable, as far as the store is set up to be.

        :raises WritesLost: some of it is gone (a failover, a restart without its newest writes): all
            since the last ``flush`` must be written again.
        """

    def content_hashes(self, document_ids: Sequence[str]) -> dict[str, frozenset[str]]:
        """The content hashes of each live document's chunks; unknown and deleted ids are left out."""

    def get_many(self, document_ids: Sequence[str]) -> dict[str, StoredDocument]:
        """The live documents among these; unknown and deleted ids are left out, repeated ones stand once.

        Each document is as of one version, its chunks in order; two documents may be as of two moments.
        """

    def embeddings(self, document_ids: Sequence[str]) -> dict[str, Embeddings]:
        """Of each live document, as ``replace`` was given them: float32 ``(n chunks, dimension)``, rows of
        unit norm in the chunks' order. Unknown and deleted ids are left out, repeated ones stand once.

        Each document's rows are as of one version, which may be newer than the one that an earlier
        ``get_many`` returned: other rows then, and maybe another number of them.
        """

    def search(self, embedding: Embedding, top_k: int, where: SearchFilter | None = None) -> list[Hit]:
        """The ``top_k`` chunks of highest cosine similarity that satisfy ``where``, best first.

        Never fewer than ``min(top_k, matching chunks)``: a filter does not eat hits. Ties are ordered
        by ``chunk_id``.
        """

    def nearest(self, embedding: Embedding, top_k: int, where: SearchFilter | None = None) -> list[Match]:
        """As ``search``, without the content, which makes many of them cheap."""

    def changes(self, after: str | None, limit: int) -> ChangePage:
        """What was indexed or removed since the cursor ``after`` (``None``: from the beginning).

        In commit order within each part of the store that has a feed of its own (FAISS: all of it;
        Redis: a shard). Compacted: a document stands once, at its newest change. Going on from the
        returned cursor never skips a change; an empty page returns a cursor that is valid too.

        :raises CursorExpired: removals after the cursor were forgotten (``expire_tombstones``), or the
            cursor is that of another store or generation. Never for ``None``.
        """

    def stats(self) -> StoreStats:
        """Counts of live documents, chunks and tombstones, and the newest times."""

    def footprint(self) -> StoreFootprint:
        """What the store takes of the memory or the disk that it lies in; more than the live documents
        where space is not given back at once. Others may use the same server or disk."""

    def purge(self, max_age: timedelta | None, max_chunks: int | None) -> int:
        """Remove live documents, oldest ``updated_at`` first, until none is older than ``max_age`` and
        at most ``max_chunks`` chunks are left. They appear in the change feed as ``PURGED`` and may come
        back with the same version. Works in small steps, so that others get their turn. Returns how many
        documents were removed.
        """

    def expire_tombstones(self, older_than: timedelta) -> int:
        """Forget documents that were removed or purged longer than ``older_than`` ago; how many.

        After that a late edit of such a document would bring it back, so ``older_than`` must exceed the
        age of anything that the stream can still deliver.
        """

    def close(self) -> None:
        """Release everything. Calling it again does nothing."""


class Rebuild(Protocol):
    """A new generation of a store, filled while the current one answers and takes writes.

    One at a time for each store. All processes that have the store open follow a ``switch`` at their next
    call; a process whose embedder is not that of the new generation gets ``StoreMismatch`` from then on.
    """

    @property
    def source(self) -> VectorStore:
        """The current generation, whatever embedder it was built with: to be read, not searched."""

    @property
    def target(self) -> VectorStore:
        """The new generation; empty at first, seen by nobody else."""

    def seal(self) -> None:
        """Stop all writers of ``source``: they get ``StoreUnavailable`` until ``switch`` or ``close``.
        Readers go on. Ends by itself should this process die."""

    def switch(self) -> None:
        """Make ``target`` the current generation, atomically, and remove the old one's data.

        :raises StoreUnavailable: not sealed (any more); nothing was changed.
        """

    def close(self) -> None:
        """Without a ``switch`` before it: end the seal and remove ``target``. Calling it again does
        nothing."""


class Embedder(Protocol):
    """Text to embedding. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """Identifies the vector space: stores refuse to mix two of them."""

    @property
    def dimension(self) -> int: ...

    @property
    def max_tokens(self) -> int:
        """Longer texts are cut by the model; the chunker stays below."""

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """float32 ``(len(texts), dimension)``, rows of unit norm, in order; ``(0, dimension)`` for none."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without the model's special tokens."""


class Reranker(Protocol):
    """Reads a question and a text together, which tells more than two embeddings do, and takes longer.
    Safe to call from several threads."""

    @property
    def name(self) -> str: ...

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """One for each text, in order: how well it answers. Any finite numbers, higher is better; only
        those of one question can be compared. A text that is too long is cut, the question never.

        :raises QuestionTooLong: too little of any text would be left.
        :raises InferenceFailed: the model cannot be run.
        """


class Reader(Protocol):
    """Says where in a passage the answer to a question stands, and how sure it is that there is one. Safe to
    call from several threads."""

    @property
    def name(self) -> str: ...

    def read(self, question: str, passages: Sequence[str]) -> list[FoundSpan]:
        """One for each passage, in order. All of a passage is read, however long; the question is never cut.

        :raises QuestionTooLong: too little room would be left for passages.
        :raises InferenceFailed: the model cannot be run, or its scores are no numbers.
        """


class LLM(Protocol):
    """Prompt to text. Safe to call from several threads.

    A prompt that does not fit is refused, never cut.

    :raises LLMUnavailable: from ``stream``, before or between deltas, and from ``count_tokens``.
    """

    @property
    def name(self) -> str: ...

    @property
    def context_tokens(self) -> int:
        """Input and output together."""

    def count_tokens(self, text: str) -> int:
        """As the model cuts the text; where that cannot be known, a bound that is never too low."""

    def stream(self, prompt: Prompt) -> Generator[str, None, TokenUsage | None]:
        """The answer, piece by piece. Closing the generator stops the generation.

        Its return value, for who reads to the end, is what the model says it used; ``None`` where it
        does not say.
        """

    def close(self) -> None: ...


Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class TopicPartition:
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Record:
    """What a consumer read: bytes, untouched."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


RevokeCallback = Callable[[frozenset[TopicPartition]], None]


class Consumer(Protocol):
    """One member of a consumer group, reading the topics it was built with.

    Used from one thread. Offsets are Kafka's: a committed offset is the *next* one to read. Nothing is
    committed but by ``commit``.

    :raises BrokerUnavailable: the broker cannot be reached *and* waiting inside the client will not help.
    """

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        """Up to ``max_records`` records, in order within each partition; ``[]`` after ``timeout`` seconds.

        Keeps the membership alive, so it must be called often, also while paused (it then returns ``[]``).
        Rebalance callbacks run inside it.
        """

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store the next offsets to read, durably, before returning. Partitions that are no longer
        assigned are skipped: their new owner reads from the last commit."""

    def rewind(self) -> None:
        """Go back to the committed offset of every assigned partition: what was read since is read again.

        :raises BrokerUnavailable: they are unknown; the position has not changed.
        """

    def pause(self) -> None:
        """Stop fetching, keep the assignment."""

    def resume(self) -> None: ...

    def assignment(self) -> frozenset[TopicPartition]: ...

    def lag(self) -> dict[TopicPartition, int]:
        """Records between this member's position and the end of each assigned partition; from cached
        watermarks, so it never waits for the broker."""

    def on_revoke(self, callback: RevokeCallback) -> None:
        """``callback`` runs before partitions are given up, while ``commit`` still works for them."""

    def on_lost(self, callback: RevokeCallback) -> None:
        """``callback`` runs after partitions went to another member without notice (this one was silent
        for too long): nothing of them can be committed any more."""

    def close(self) -> None:
        """Leave the group, without committing."""


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


DeliveryCallback = Callable[[Exception | None], None]


class Producer(Protocol):
    """Sends records; idempotent, in order per key. Safe to call from several threads."""

    def send(self, record: OutgoingRecord, on_delivery: DeliveryCallback | None = None) -> None:
        """Hand over one record; blocks while the buffer is full. ``on_delivery`` is called from another
        thread with ``None`` once all replicas have it, or with the error.

        :raises InvalidEvent: the record is larger than the broker takes.
        """

    def flush(self, timeout: float) -> int:
        """Wait for outstanding deliveries; how many are still outstanding after ``timeout`` seconds."""

    def close(self) -> None: ...
