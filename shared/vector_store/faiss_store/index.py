"""The FAISS index in memory, with the columns that filters need. No I/O; one thread at a time.

Removing marks positions as dead instead of moving all that follow; dead positions are dropped together
once they are many.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.domain import SearchFilter, epoch_milliseconds
from shared.vector_store.faiss_store.recipe import is_exact, search_parameters, selector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.ports import Embedding, Embeddings

SLOT = np.dtype(
    [
        ("chunk_key", np.int64),
        ("document_key", np.int64),
        ("updated_at", np.int64),
        ("wiki", np.int32),
        ("namespace", np.int32),
        ("source", np.int32),
        ("bot", np.bool_),
        ("live", np.bool_),
    ]
)

_MIN_DEAD = 2_048
_MAX_DEAD_SHARE = 0.25


class Codes:
    """A small integer for each value, so that a filter compares integers."""

    def __init__(self) -> None:
        self._codes: dict[Hashable, int] = {}

    def code(self, value: Hashable) -> int:
        return self._codes.setdefault(value, len(self._codes))

    def known(self, values: Iterable[Hashable]) -> list[int]:
        return [self._codes[value] for value in values if value in self._codes]


class ChunkIndex:
    """``faiss_index`` must be empty; position ``i`` in it is described by ``self._slots[i]``."""

    def __init__(self, faiss_index: Any) -> None:
        self._index = faiss_index
        self._exact = is_exact(faiss_index)
        self._slots = np.zeros(1024, dtype=SLOT)
        self._size = 0
        self._live = 0
        self._spans: dict[int, tuple[int, int]] = {}
        self.wikis = Codes()
        self.namespaces = Codes()
        self.sources = Codes()

    @property
    def exact(self) -> bool:
        """Whether ``nearest`` misses nothing."""
        return self._exact

    @property
    def live(self) -> int:
        return self._live

    @property
    def wasteful(self) -> bool:
        """Whether so many positions are dead that they should be dropped."""
        dead = self._size - self._live
        return dead > _MIN_DEAD and dead > _MAX_DEAD_SHARE * self._size

    def add(self, slots: NDArray[np.void], embeddings: Embeddings) -> None:
        """``slots`` ``(n,)`` of ``SLOT``, each document's side by side; ``embeddings`` ``(n, dimension)``.

        A document may be split between two calls, if they follow each other.
        """
        end = self._size + len(slots)
        if end > len(self._slots):
            grown = np.zeros(max(end, 2 * len(self._slots)), dtype=SLOT)
            grown[: self._size] = self._slots[: self._size]
            self._slots = grown
        self._index.add(embeddings)
        self._slots[self._size : end] = slots
        for document_key, (start, stop) in _spans(slots["document_key"], self._size).items():
            self._spans[document_key] = (self._spans.get(document_key, (start, stop))[0], stop)
        self._size = end
        self._live += len(slots)

    def remove(self, document_key: int) -> None:
        """All chunks of a document; nothing if it has none."""
        start, end = self._spans.pop(document_key, (0, 0))
        self._slots["live"][start:end] = False
        self._live -= end - start

    def compact(self) -> None:
        """Drop the dead positions of an exact index, in one pass."""
        slots = self._slots[: self._size]
        self._index.remove_ids(selector(~slots["live"]))
        self._slots = slots[slots["live"]]
        self._size = len(self._slots)
        self._spans = _spans(self._slots["document_key"], 0)

    def matching(self, where: SearchFilter | None) -> NDArray[np.bool_]:
        """``(positions,)``: which are live and satisfy ``where``; the same truth as ``where.matches``."""
        slots = self._slots[: self._size]
        mask: NDArray[np.bool_] = slots["live"].copy()
        if where is None:
            return mask
        for column, codes, values in (
            ("wiki", self.wikis, where.wikis),
            ("namespace", self.namespaces, where.namespaces),
            ("source", self.sources, where.sources),
        ):
            if values:
                mask &= np.isin(slots[column], codes.known(values))
        if where.exclude_bots:
            mask &= ~slots["bot"]
        if where.since is not None:
            mask &= slots["updated_at"] >= _ceil_milliseconds(where.since)
        if where.until is not None:
            mask &= slots["updated_at"] <= epoch_milliseconds(where.until)
        return mask

    def nearest(
        self, query: Embedding, count: int, mask: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Chunk keys and approximate scores of up to ``count`` masked positions, best first."""
        # With a selector also where nothing is filtered: faiss's other path is no faster for one query,
        # and its extra threads fight with the embedder's for the processor.
        parameters = search_parameters(self._index, mask, count)
        scores, positions = self._index.search(query[np.newaxis], count, params=parameters)
        found = positions[0] >= 0
        return self._slots["chunk_key"][positions[0][found]], scores[0][found]

    def chunk_keys(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        keys: NDArray[np.int64] = self._slots["chunk_key"][: self._size][mask]
        return keys


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
