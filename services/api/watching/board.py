"""All standing questions of this process, and the thread that puts every change of the index before them."""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.api.answering.confidence import MIN_CONFIDENCE
from services.api.answering.evidence import Evidence, weigh_evidence
from services.api.answering.reading import Reading
from services.api.matching.interest import ChangedDocuments, Interest
from services.api.retrieval.follower import Applied
from services.api.watching.events import Ended, Progress, WatchEvent, Watching
from services.api.watching.standing_question import StandingQuestion
from shared.domain import ChangeKind, Hit, SearchFilter
from shared.errors import CursorExpired, StoreUnavailable
from shared.observability.metrics import ApiMetrics
from shared.ports import Embedder, VectorStore

log = logging.getLogger(__name__)

Deliver = Callable[[WatchEvent], None]

_PAGE = 200


class TooManyWatches(Exception):
    """``str()`` says which limit."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``total``: standing questions of this process; ``per_owner``: of one API key."""

    total: int
    per_owner: int


@dataclass(slots=True, eq=False)
class Watch:
    """``position``: where in the change feed it has got to; ``None`` until its first event."""

    owner: bytes
    question: StandingQuestion
    resume_at: str | None
    deliver: Deliver
    position: str | None = None


class WatchBoard:
    """``add`` and ``remove`` are safe to call from any thread; what is delivered comes from the board's."""

    def __init__(
        self,
        store: VectorStore,
        embedder: Embedder,
        reached: Callable[[], str],
        limits: Limits,
        metrics: ApiMetrics,
        min_confidence: float = MIN_CONFIDENCE,
        reading: Reading | None = None,
    ) -> None:
        """``reached``: where in the change feed this process has got to. ``min_confidence``: see
        ``weigh_evidence``."""
        self._store = store
        self._min_confidence = min_confidence
        self._reading = reading
        self._reached = reached
        self._embedder = embedder
        self._limits = limits
        self._metrics = metrics
        self._lock = threading.Lock()
        self._watches: set[Watch] = set()
        self._owners: Counter[bytes] = Counter()
        self._closed = False
        self._work: queue.SimpleQueue[Applied | Watch | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="watch-board", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take_in(self, applied: Applied) -> None:
        """Listens to the change follower, and does not hold it up."""
        if self._watches:
            self._work.put(applied)

    def add(
        self, owner: bytes, text: str, where: SearchFilter, resume_at: str | None, deliver: Deliver
    ) -> Watch:
        """Its first event is ``Watching``. ``resume_at``: the position of the last event that was seen.

        :raises TooManyWatches: of this owner, or of this process.
        :raises StoreUnavailable: the change feed has not been read to its end yet.
        """
        self._reached()
        interest = Interest.of(text, self._embedder.embed([text])[0], where)
        watch = Watch(owner, StandingQuestion(text, interest, self._weigh), resume_at, deliver)
        with self._lock:
            if self._closed:
                raise TooManyWatches("the API is stopping")
            if self._owners[owner] >= self._limits.per_owner:
                raise TooManyWatches(f"at most {self._limits.per_owner} standing questions for each API key")
            if len(self._watches) >= self._limits.total:
                raise TooManyWatches(f"at most {self._limits.total} standing questions at a time")
            self._watches.add(watch)
            self._owners[owner] += 1
            self._metrics.watches.set(len(self._watches))
        self._work.put(watch)
        return watch

    def remove(self, watch: Watch) -> None:
        """Calling it again does nothing."""
        with self._lock:
            if watch not in self._watches:
                return
            self._watches.remove(watch)
            self._owners[watch.owner] -= 1
            self._owners += Counter()  # without those that have none left
            self._metrics.watches.set(len(self._watches))

    def close(self) -> None:
        """Everyone is told that it ends."""
        with self._lock:
            self._closed = True
        self._end(self._all(), "the API is stopping; connect again with Last-Event-ID")
        self._work.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            try:
                if isinstance(item, Watch):
                    self._join(item)
                else:
                    self._put_before_all(item)
            except StoreUnavailable as error:
                log.warning("standing questions are told to come back", extra={"error": str(error)})
                self._end(self._all(), "the store is away; connect again with Last-Event-ID")
            except Exception:  # a bug must not leave them waiting for ever
                log.exception("standing questions are told to come back")
                self._end(self._all(), "internal error; connect again with Last-Event-ID")

    def _all(self) -> list[Watch]:
        with self._lock:
            return list(self._watches)

    def _join(self, watch: Watch) -> None:
        """Bring it up to now, from where it left off. What waits in line already may be put before it
        twice; what it was told it is not told again."""
        position, gap = self._resumed(watch)
        watch.position = position
        watch.deliver(Watching(position, gap))
        while (applied := self._read(watch.position)) is not None:
            self._put_before([watch], applied)

    def _resumed(self, watch: Watch) -> tuple[str, bool]:
        if watch.resume_at is not None:
            try:
                self._store.changes(watch.resume_at, 1)
            except (CursorExpired, ValueError):
                return self._reached(), True
            return watch.resume_at, False
        return self._reached(), False

    def _read(self, after: str) -> Applied | None:
        page = self._store.changes(after, _PAGE)
        if not page.changes:
            return None
        indexed = [change.document_id for change in page.changes if change.kind is ChangeKind.INDEXED]
        return Applied(after, page.cursor, page.changes, self._store.get_many(indexed), restarted=False)

    def _put_before_all(self, applied: Applied) -> None:
        watches = [watch for watch in self._all() if watch.position is not None]
        if applied.restarted:  # the index is read from its beginning, and none of that is new
            self._end(watches, "the index was read anew; connect again")
        else:
            self._put_before(watches, applied)

    def _put_before(self, watches: Sequence[Watch], applied: Applied) -> None:
        if not watches:
            return
        documents = ChangedDocuments(applied, self._store.embeddings(list(applied.documents)))
        for watch in watches:
            events = watch.question.examine(applied, documents)
            watch.position = applied.cursor
            for event in events:
                watch.deliver(event)
            if not events:
                watch.deliver(Progress(applied.cursor))
            self._metrics.watch_events.inc(len(events))

    def _weigh(self, text: str, interest: Interest, hits: Sequence[Hit]) -> Sequence[Evidence]:
        evidence = weigh_evidence(text, interest.embedding, hits, self._embedder, self._min_confidence)
        if not evidence or self._reading is None:
            return evidence
        return self._reading.apply(text, interest.embedding, evidence, self._embedder).evidence

    def _end(self, watches: Sequence[Watch], reason: str) -> None:
        for watch in watches:
            watch.deliver(Ended(reason))
