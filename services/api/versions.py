"""Versions of pushed documents: newer than everything that this process has accepted before."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from shared.domain import Version, epoch_milliseconds, truncate_to_milliseconds
from shared.ports import Clock

MAX_REVISION = 2**63 - 1
_MILLISECOND = timedelta(milliseconds=1)


class VersionLedger:
    """Gives each push and each delete its version, by these rules.

    A push without a revision gets the time as one (ms since 1970); without a time, the time is now. What
    the ledger chooses is always newer than what it gave the same document before, even within one
    millisecond.

    A delete must win over the stored version and over pushes that are still under way. So it takes the
    highest revision of both and a later time. It does not jump beyond: a later revision of the source
    brings the document back. Of a document that is neither stored nor remembered, the delete takes the
    time as revision, which is newer than any push that left the numbering to the API. Clients with
    revisions of their own can name one.

    Remembers the ``capacity`` documents written last. Safe to call from several threads.
    """

    def __init__(self, clock: Clock, capacity: int = 100_000) -> None:
        self._clock = clock
        self._capacity = capacity
        self._lock = threading.Lock()
        self._last: OrderedDict[str, Version] = OrderedDict()

    def for_push(self, document_id: str, revision: int | None, updated_at: datetime | None) -> Version:
        """The version of a push that brings these, or ``None`` where it leaves the choice."""
        with self._lock:
            now = truncate_to_milliseconds(self._clock.now())
            last = self._last.get(document_id)
            if revision is None:
                revision = epoch_milliseconds(now)
                if last is not None:
                    revision = min(max(revision, last.revision + 1), MAX_REVISION)
            if updated_at is None:
                updated_at = now
                if last is not None and last.revision == revision:
                    updated_at = max(now, last.updated_at + _MILLISECOND)
            return self._remember(document_id, Version(revision, updated_at))

    def for_delete(self, document_id: str, stored: Version | None, revision: int | None = None) -> Version:
        """The version of a delete; ``revision`` where the client names one."""
        with self._lock:
            now = truncate_to_milliseconds(self._clock.now())
            known = [version for version in (stored, self._last.get(document_id)) if version is not None]
            if revision is None:
                revision = max((version.revision for version in known), default=epoch_milliseconds(now))
            earlier = [version.updated_at for version in known if version.revision == revision]
            updated_at = max([now, *(moment + _MILLISECOND for moment in earlier)])
            return self._remember(document_id, Version(revision, updated_at))

    def _remember(self, document_id: str, version: Version) -> Version:
        last = self._last.pop(document_id, version)
        self._last[document_id] = max(last, version)
        if len(self._last) > self._capacity:
            self._last.popitem(last=False)
        return version
