"""The chunks in memory: an index of all embeddings, and the columns that filters need. No I/O.

One thread changes it at a time. Others search ``View``s of it meanwhile: what a view shows is never
changed, only added to beyond its end, or replaced by a copy.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from shared.domain import SearchFilter, epoch_milliseconds
from shared.vector_store.faiss_store.engine import Chosen
from shared.vector_store.faiss_store.recipe import PositionIndex
from shared.vector_store.faiss_store.sharing import SharedLock

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.ports import Embedding, Embeddings

SLOT = np.dtype(
    [
        ("chunk_key", np.int64),
        ("document_key", np.int64),
        ("document_id", np.object_),
        ("ordinal", np.int32),
        ("updated_at", np.int64),
        ("wiki", np.int32),
        ("namespace", np.int32),
        ("source", np.int32),
        ("bot", np.bool_),
    ]
)
COLUMNS = ("chunk_key", "document_id", "ordinal", "updated_at", "wiki", "namespace", "source", "bot")

_MIN_DEAD = 2_048
_MAX_DEAD_SHARE = 0.25
_MAX_RECENT = 1_024


class Codes:
    """A small integer for each value, so that a filter compares integers."""

    def __init__(self) -> None:
        self._codes: dict[Hashable, int] = {}

    def code(self, value: Hashable) -> int:
        return self._codes.setdefault(value, len(self._codes))

    def known(self, values: Iterable[Hashable]) -> list[int]:
        return [self._codes[value] for value in values if value in self._codes]


class AttributeCodes:
    """One set of codes for each attribute that is compared for equality."""

    def __init__(self) -> None:
        self.wikis = Codes()
        self.namespaces = Codes()
        self.sources = Codes()


class Selection(NamedTuple):
    """The positions that a search may return."""

    mask: NDArray[np.bool_]
    matches: int


class View:
    """The index as it was at one moment; any number of threads may search it at the same time."""

    def __init__(
        self,
        main: PositionIndex,
        main_lock: SharedLock,
        recent: Embeddings,
        columns: dict[str, NDArray[Any]],
        live: NDArray[np.bool_],
        live_count: int,
        codes: AttributeCodes,
    ) -> None:
        self._main = main
        self._main_lock = main_lock
        self._main_size = len(live) - len(recent)
        self._recent = recent
        self._columns = columns
        self._codes = codes
        self._live = Selection(live, live_count)
        self._live_chosen = self._chosen(self._live)

    @property
    def exact(self) -> bool:
        """Whether ``nearest`` misses nothing."""
        return self._main.exact

    def matching(self, where: SearchFilter | None) -> Selection:
        """What is live and satisfies ``where``; the same truth as ``where.matches``."""
        if where is None or where == SearchFilter():
            return self._live
        mask = self._live.mask.copy()
        for column, codes, values in (
            ("wiki", self._codes.wikis, where.wikis),
            ("namespace", self._codes.namespaces, where.namespaces),
            ("source", self._codes.sources, where.sources),
        ):
            if values:
                mask &= np.isin(self._columns[column], codes.known(values))
        if where.exclude_bots:
            mask &= ~self._columns["bot"]
        if where.since is not None:
            mask &= self._columns["updated_at"] >= _ceil_milliseconds(where.since)
        if where.until is not None:
            mask &= self._columns["updated_at"] <= epoch_milliseconds(where.until)
        return Selection(mask, int(np.count_nonzero(mask)))

    def nearest(
        self, query: Embedding, count: int, among: Selection
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Positions and approximate scores of up to ``count`` of ``among``, best first."""
        positions, scores = self._nearest_in_main(query, count, among)
        recent = np.flatnonzero(among.mask[self._main_size :])
        if len(recent):
            positions = np.concatenate([positions, recent + self._main_size])
            scores = np.concatenate([scores, self._recent[recent] @ query])
            best = np.argsort(-scores, kind="stable")[:count]
            positions, scores = positions[best], scores[best]
        return positions, scores

    def embeddings(self, positions: NDArray[np.int64]) -> Embeddings | None:
        """``(len(positions), dimension)``; ``None`` where they are not kept as they were added."""
        is_recent = positions >= self._main_size
        with self._main_lock.shared():
            old = self._main.embeddings(positions[~is_recent])
        if old is None:
            return None
        found = np.empty((len(positions), old.shape[1]), dtype=np.float32)
        found[~is_recent] = old
        found[is_recent] = self._recent[positions[is_recent] - self._main_size]
        return found

    def chunk_keys(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        keys: NDArray[np.int64] = self._columns["chunk_key"][positions]
        return keys

    def identities(self, positions: NDArray[np.int64]) -> Iterator[tuple[str, int]]:
        """The document and the ordinal of each chunk."""
        columns = (self._columns[name][positions].tolist() for name in ("document_id", "ordinal"))
        return zip(*columns, strict=True)

    def _nearest_in_main(
        self, query: Embedding, count: int, among: Selection
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        chosen = self._live_chosen if among is self._live else self._chosen(among)
        with self._main_lock.shared():
            return self._main.search(query, count, chosen)

    def _chosen(self, among: Selection) -> Chosen:
        return Chosen(among.mask[: self._main_size], among.matches / max(1, len(among.mask)))


class ChunkIndex:
    """``main`` must be empty.

    Removing marks positions as dead; who wants the space back builds another. The newest embeddings are
    kept apart, and searched exactly, until they are many: adding to ``main`` waits for its searches.
    """

    def __init__(self, main: PositionIndex, dimension: int) -> None:
        self.codes = AttributeCodes()
        self._main = main
        self._main_lock = SharedLock()
        self._main_size = 0
        self._dimension = dimension
        self._recent = self._no_recent()
        self._columns = {name: np.zeros(_MAX_RECENT, dtype=SLOT[name]) for name in COLUMNS}
        self._live_mask = np.zeros(_MAX_RECENT, dtype=np.bool_)
        self._live_is_shown = False
        self._size = 0
        self._live = 0
        self._spans: dict[int, tuple[int, int]] = {}

    @property
    def live(self) -> int:
        return self._live

    def document_keys(self) -> set[int]:
        """Of the documents that have live chunks."""
        return set(self._spans)

    @property
    def wasteful(self) -> bool:
        """Whether so many positions are dead that they should be dropped."""
        dead = self._size - self._live
        return dead > _MIN_DEAD and dead > _MAX_DEAD_SHARE * self._size

    def view(self) -> View:
        self._live_is_shown = True
        return View(
            main=self._main,
            main_lock=self._main_lock,
            recent=self._recent[: self._size - self._main_size],
            columns={name: column[: self._size] for name, column in self._columns.items()},
            live=self._live_mask[: self._size],
            live_count=self._live,
            codes=self.codes,
        )

    def add(self, slots: NDArray[np.void], embeddings: Embeddings) -> None:
        """``slots`` ``(n,)`` of ``SLOT``, each document's side by side; ``embeddings`` ``(n, dimension)``.

        A document may be split between two calls, if they follow each other.
        """
        end = self._size + len(slots)
        self._make_room(end)
        for name, column in self._columns.items():
            column[self._size : end] = slots[name]
        self._live_mask[self._size : end] = True
        self._add_embeddings(embeddings)
        for document_key, (start, stop) in _spans(slots["document_key"], self._size).items():
            self._spans[document_key] = (self._spans.get(document_key, (start, stop))[0], stop)
        self._size = end
        self._live += len(slots)

    def remove(self, document_key: int) -> None:
        """All chunks of a document; nothing if it has none."""
        span = self._spans.pop(document_key, None)
        if span is None:
            return
        start, end = span
        if self._live_is_shown:
            self._live_mask = self._live_mask.copy()
            self._live_is_shown = False
        self._live_mask[start:end] = False
        self._live -= end - start

    def _make_room(self, size: int) -> None:
        if size > len(self._live_mask):
            room = max(size, 2 * len(self._live_mask))
            self._columns = {name: _grown(column, room) for name, column in self._columns.items()}
            self._live_mask = _grown(self._live_mask, room)
            self._live_is_shown = False

    def _add_embeddings(self, embeddings: Embeddings) -> None:
        recent = self._size - self._main_size
        if recent + len(embeddings) <= _MAX_RECENT:
            self._recent[recent : recent + len(embeddings)] = embeddings
            return
        with self._main_lock.exclusive():
            if recent:
                self._main.add(self._recent[:recent])
            self._main.add(embeddings)
        self._main_size = self._size + len(embeddings)
        self._recent = self._no_recent()

    def _no_recent(self) -> Embeddings:
        return np.empty((_MAX_RECENT, self._dimension), dtype=np.float32)


def _grown(column: NDArray[Any], size: int) -> NDArray[Any]:
    grown = np.zeros(size, dtype=column.dtype)
    grown[: len(column)] = column
    return grown


def _spans(document_keys: NDArray[np.int64], offset: int) -> dict[int, tuple[int, int]]:
    """Document key to its positions, ``start`` to ``end`` (exclusive)."""
    if not len(document_keys):
        return {}
    starts = np.flatnonzero(np.diff(document_keys, prepend=document_keys[0] - 1))
    ends = np.append(starts[1:], len(document_keys))
    return {
        key: (start + offset, end + offset)
        for key, start, end in zip(
            document_keys[starts].tolist(), starts.tolist(), ends.tolist(), strict=True
        )
    }


def _ceil_milliseconds(moment: datetime) -> int:
    return epoch_milliseconds(moment) + bool(moment.microsecond % 1000)
