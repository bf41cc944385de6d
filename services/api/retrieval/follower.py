"""Follows the store's change feed: the lexical index first, then whoever listens.

Every search catches up before it looks, so that the lexical index is as fresh as the store; a thread catches
up in between, so that listeners hear of changes that nobody asks about.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from services.api.retrieval.lexical_index import LexicalIndex
from shared.domain import Change, ChangeKind, StoredDocument
from shared.errors import CursorExpired, StoreUnavailable
from shared.ports import VectorStore
from shared.resilience.backoff import Backoff
from shared.resilience.outage import OutageLog

log = logging.getLogger(__name__)

_PAGE = 500
_PAUSE_SECONDS = 0.1
_PROGRESS_SECONDS = 5.0
_STUCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Applied:
    """Changes that the lexical index has taken in. ``documents``: the live ones among them, as they are now.
    ``restarted``: the index was emptied just before, so anything may have changed. ``after`` and ``cursor``:
    the places in the feed before and behind the changes."""

    after: str | None
    cursor: str
    changes: tuple[Change, ...]
    documents: Mapping[str, StoredDocument]
    restarted: bool


Listener = Callable[[Applied], None]


class ChangeFollower:
    """Safe to call from several threads."""

    def __init__(self, store: VectorStore, index: LexicalIndex, listeners: Sequence[Listener] = ()) -> None:
        self._store = store
        self._index = index
        self._listeners = listeners
        self._turn = threading.Lock()
        self._started = 0
        self._finished = 0
        self._restarted = False
        self._complete = threading.Event()
        self._page_begun: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="change-follower", daemon=True)

    def check(self) -> None:
        """:raises StoreUnavailable: the end of the feed has not been reached yet, or reading it hangs."""
        begun = self._page_begun
        if begun is not None and time.monotonic() - begun > _STUCK_SECONDS:
            raise StoreUnavailable("reading the store's change feed hangs: searches find nothing newer")
        self._check_filled()

    def start(self) -> None:
        self._thread.start()

    def reached(self) -> str:
        """Where in the change feed it is.

        :raises StoreUnavailable: nowhere yet.
        """
        self._check_filled()
        cursor = self._index.cursor()
        assert cursor is not None, "the end of the feed has been reached"
        return cursor

    def catch_up(self, timeout: float) -> bool:
        """Take in what was committed before this call; whether that was done within ``timeout`` seconds.

        :raises StoreUnavailable: the store cannot be reached.
        """
        deadline = time.monotonic() + timeout
        begun = self._started
        if not self._turn.acquire(timeout=timeout):
            return False
        try:
            return self._finished > begun or self._read(deadline)
        finally:
            self._turn.release()

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _check_filled(self) -> None:
        if not self._complete.is_set():
            raise StoreUnavailable(f"it is being filled: {self._index.passages()} passages so far")

    def _read(self, deadline: float) -> bool:
        """Page by page to the end of the feed."""
        self._started += 1
        number = self._started
        while not self._stop.is_set():
            self._page_begun = time.monotonic()
            try:
                is_end = self._read_page()
            finally:
                self._page_begun = None
            if is_end:
                self._finished = number
                self._complete.set()
                return True
            if time.monotonic() > deadline:
                break
        return False

    def _read_page(self) -> bool:
        """Whether it was the end."""
        cursor = self._index.cursor()
        try:
            page = self._store.changes(cursor, _PAGE)
        except CursorExpired:
            log.info("reading the store from the beginning: its change feed does not go back to the cursor")
            self._index.clear()
            self._restarted = True
            return False
        if not page.changes:
            if page.cursor != cursor:
                self._index.apply(page.cursor, [], {})
            return True
        indexed = [change.document_id for change in page.changes if change.kind is ChangeKind.INDEXED]
        documents = self._store.get_many(indexed)
        gone = [change.document_id for change in page.changes if change.document_id not in documents]
        self._index.apply(page.cursor, gone, documents)
        applied = Applied(cursor, page.cursor, page.changes, documents, self._restarted)
        self._restarted = False
        for listener in self._listeners:
            listener(applied)
        return len(page.changes) < _PAGE

    def _follow(self) -> None:
        backoff = Backoff(_PAUSE_SECONDS, 5.0, random.Random())  # noqa: S311 - jitter
        outage = OutageLog(log, "the store or the lexical index", time.monotonic)
        told = time.monotonic()
        pause = _PAUSE_SECONDS
        while not self._stop.wait(pause):
            try:
                pause = _PAUSE_SECONDS if self.catch_up(_PAUSE_SECONDS) else 0.0
                if not pause and time.monotonic() - told >= _PROGRESS_SECONDS:
                    told = time.monotonic()
                    log.info("filling the lexical index", extra={"passages": self._index.passages()})
                backoff.reset()
                outage.worked()
            except StoreUnavailable as error:
                outage.failed(error)
                pause = backoff.next_delay()
            except Exception:  # a listener's bug must not end the following
                log.exception("a change was not told to all who listen")
                pause = backoff.next_delay()
