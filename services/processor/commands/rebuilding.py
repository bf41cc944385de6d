"""Fill a new generation of the store, while the current one answers and takes writes; then switch.

Why nothing is lost: all that the current generation holds when the filling begins is in its change feed up
to a cursor; all that is written to it later comes after that cursor, and is copied too. Under the seal
nothing is written any more, so the feed has an end, and after that end the two hold the same.
What the log holds but no processor has read yet may be in the new generation already: the processor's write
is then a duplicate.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from services.processor.commands.document_log import DocumentLog
from services.processor.commands.filling import Filler
from services.processor.commands.patience import Patience
from services.processor.commands.progress import Progress
from services.processor.commands.stopping import Stopped, check
from shared.domain import Change, ChangeKind, StoreStats
from shared.errors import StoreDamaged
from shared.events import Operation
from shared.ports import Clock, Rebuild

_PAGE = 500
_CAUGHT_UP = 50  # changes that may be left for the sealed end
_CATCH_UP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Retained:
    """What retention would remove from the new generation at once; ``None`` is without limit."""

    max_age: timedelta | None = None
    max_chunks: int | None = None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """``kept`` and ``dropped``: documents that only the current generation had."""

    stats: StoreStats
    embedded: int
    kept: int = 0
    dropped: int = 0
    unreadable: int = 0


class Rebuilder:
    """One attempt. ``agree_to_drop`` is asked with the number of documents that the log does not hold; its
    absence keeps them."""

    def __init__(
        self,
        rebuild: Rebuild,
        filler: Filler,
        patience: Patience,
        clock: Clock,
        stop: threading.Event,
        say: Callable[[str], None],
        retained: Retained,
    ) -> None:
        self._rebuild = rebuild
        self._source = rebuild.source
        self._target = rebuild.target
        self._filler = filler
        self._patience = patience
        self._clock = clock
        self._stop = stop
        self._say = say
        self._retained = retained
        self._begun = clock.monotonic()

    def from_stored(self) -> Rebuilt:
        """:raises CursorExpired, WritesLost: start over with a new generation.
        :raises Stopped: nothing was changed."""
        present, cursor = self._survey()
        self._copy_documents(self._reconcile(present), "copying stored texts")
        return Rebuilt(self._complete(cursor), self._filler.embedded)

    def from_log(self, log: DocumentLog, agree_to_drop: Callable[[int], bool] | None = None) -> Rebuilt:
        """:raises CursorExpired, WritesLost: start over with a new generation.
        :raises Stopped: nothing was changed."""
        try:
            present, cursor = self._survey()
        except StoreDamaged as error:
            self._say(f"The current index cannot be read ({error}); what the log does not hold is lost.")
            self._fill(log)
            return Rebuilt(
                self._complete_without_source(log), self._filler.embedded, unreadable=log.unreadable
            )
        self._fill(log)
        missing = self._reconcile(present)
        dropped = 0
        if missing:
            what = f"{len(missing):,} documents of the index are not in the log (any more)"
            if agree_to_drop is None:
                self._say(f"{what}: copying them from their stored texts (--drop-missing leaves them out).")
                self._copy_documents(missing, "copying stored texts")
            elif agree_to_drop(len(missing)):
                self._say(f"{what}: leaving them out (--drop-missing).")
                dropped = len(missing)
            else:
                raise Stopped("nothing was changed")
        stats = self._complete(cursor)
        return Rebuilt(stats, self._filler.embedded, len(missing) - dropped, dropped, log.unreadable)

    def _survey(self) -> tuple[dict[str, Change], str]:
        """All that the current generation knows, and the cursor after it. At once, for a cursor that is
        still among the old changes expires with the next tombstone of theirs."""
        present: dict[str, Change] = {}
        cursor: str | None = None
        with Progress("reading the index", "documents") as progress:
            while True:
                page = self._patience(partial(self._source.changes, cursor, _PAGE))
                cursor = page.cursor
                if not page.changes:
                    return present, cursor
                present.update((change.document_id, change) for change in page.changes)
                progress.show(len(present), None)

    def _fill(self, log: DocumentLog) -> None:
        for events in log.newest():
            self._filler.put([event.document for event in events if event.op is Operation.UPSERT])
            for event in events:
                if event.op is Operation.DELETE:
                    self._filler.remove(event.document.document_id, event.document.version)

    def _reconcile(self, present: dict[str, Change]) -> list[str]:
        """Tombstones are always copied: without them, a late edit would bring a document back. Returns the
        live documents that the new generation lacks, or has in an older version."""
        missing = []
        for change in present.values():
            if change.kind is ChangeKind.REMOVED:
                self._filler.remove(change.document_id, change.version)
            elif change.kind is ChangeKind.INDEXED and not self._filler.has(
                change.document_id, change.version
            ):
                missing.append(change.document_id)
        return missing

    def _complete(self, cursor: str) -> StoreStats:
        deadline = self._clock.monotonic() + max(_CATCH_UP_SECONDS, self._clock.monotonic() - self._begun)
        cursor = self._follow(cursor, "catching up", deadline)
        self._purge()
        self._patience(self._target.flush)

        def rest() -> None:
            self._follow(cursor, "copying the rest")

        return self._switch(rest)

    def _complete_without_source(self, log: DocumentLog) -> StoreStats:
        """Under the seal the log holds all that any processor has written."""
        self._purge()
        return self._switch(lambda: self._fill(log))

    def _purge(self) -> None:
        if self._retained != Retained():
            self._patience(partial(self._target.purge, self._retained.max_age, self._retained.max_chunks))

    def _switch(self, copy_the_rest: Callable[[], None]) -> StoreStats:
        check(self._stop)
        self._patience(self._rebuild.seal)
        copy_the_rest()
        self._patience(self._target.flush)
        stats = self._patience(self._target.stats)
        check(self._stop)
        self._rebuild.switch()
        return stats

    def _follow(self, cursor: str, what: str, deadline: float | None = None) -> str:
        """Copy what has changed since ``cursor``, to the end of the feed; with a ``deadline``, until little
        is left or it is reached, because writers may be faster than we are."""
        copied = 0
        with Progress(what, "documents") as progress:
            while True:
                page = self._patience(partial(self._source.changes, cursor, _PAGE))
                self._copy(page.changes, _shown(progress, copied, None))
                copied += len(page.changes)
                cursor = page.cursor
                if not page.changes:
                    return cursor
                if deadline is not None and (
                    len(page.changes) <= _CAUGHT_UP or self._clock.monotonic() > deadline
                ):
                    return cursor

    def _copy(self, changes: Sequence[Change], done: Callable[[int], None]) -> None:
        wanted = []
        for change in changes:
            if change.kind is ChangeKind.REMOVED:
                self._filler.remove(change.document_id, change.version)
            elif change.kind is ChangeKind.INDEXED and not self._filler.has(
                change.document_id, change.version
            ):
                wanted.append(change.document_id)
        self._copy_some(wanted, done)

    def _copy_documents(self, document_ids: Sequence[str], what: str) -> None:
        with Progress(what, "documents") as progress:
            for start in range(0, len(document_ids), _PAGE):
                self._copy_some(
                    document_ids[start : start + _PAGE],
                    _shown(progress, start, len(document_ids)),
                )

    def _copy_some(self, document_ids: Sequence[str], done: Callable[[int], None]) -> None:
        """A document that is gone by now has a later change, which comes in its turn."""
        stored = self._patience(partial(self._source.get_many, document_ids))
        self._filler.put([item.document for item in stored.values()], done)


def _shown(progress: Progress, before: int, total: int | None) -> Callable[[int], None]:
    return lambda done: progress.show(before + done, total)
