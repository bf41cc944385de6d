"""Each component of an embedding as one signed byte, and a sketch of a quarter of that to begin with.

A quarter of the memory of float32, and the products of bytes are several times as fast; still, to read all
bytes is most of the time of a search. So where nearly all positions may be returned, a sketch of half a byte
for each two components picks ``_SKETCHED`` times as many as are wanted, and bytes rank these.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from shared.vector_store.faiss_store.engine import Chosen, faiss, search_one

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.ports import Embedding, Embeddings

SAMPLE_SIZE = 1_000
"""Embeddings that the sketch is fitted to; with fewer there is none."""

_SKETCHED = 6.5
_MOST_BY_SKETCH = 400  # positions; to pick very many takes longer than to read all bytes
_LEAST_SHARE = 0.7
_LARGEST_BYTE = 127
_HEADROOM = 1.1


class ByteIndex:
    """A ``PositionIndex``. ``sample`` ``(n, dimension)`` is what it is fitted to."""

    def __init__(self, dimension: int, sample: Embeddings) -> None:
        largest = float(np.abs(sample).max(initial=0.0)) or 1.0
        self._scale = np.float32(_LARGEST_BYTE / min(1.0, largest * _HEADROOM))
        self._bytes = faiss.IndexScalarQuantizer(
            dimension, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
        )
        assert self._bytes.is_trained
        self._sketch = None
        if len(sample) >= SAMPLE_SIZE and dimension % 2 == 0:
            self._sketch = faiss.IndexPQFastScan(dimension, dimension // 2, 4, faiss.METRIC_INNER_PRODUCT)
            self._sketch.train(_whole(sample, self._scale))
            self._both = faiss.IndexRefine(self._sketch, self._bytes)

    @property
    def exact(self) -> bool:
        return False

    def add(self, embeddings: Embeddings) -> None:
        (self._both if self._sketch else self._bytes).add(_whole(embeddings, self._scale))

    def search(
        self, query: Embedding, count: int, chosen: Chosen
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        scale = np.float32(_LARGEST_BYTE / np.abs(query).max())
        whole = _whole(query, scale)
        positions, scores = self._by_sketch(whole, count, chosen) or search_one(
            self._bytes, whole, count, faiss.SearchParameters(sel=chosen.selector)
        )
        return positions, scores / (scale * self._scale)

    def embeddings(self, positions: NDArray[np.int64]) -> None:
        return None

    def _by_sketch(
        self, query: NDArray[np.float32], count: int, chosen: Chosen
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]] | None:
        """``None``: it cannot tell, because too few of what it picked may be returned."""
        if self._sketch is None or count > _MOST_BY_SKETCH or chosen.share < _LEAST_SHARE:
            return None
        # It knows no masks: what may not be returned is picked too. Where that is spread about as the rest
        # is, four standard deviations of room are enough.
        room = 4 * math.sqrt(count * max(0.0, 1 - chosen.share))
        with_others = math.ceil((count + room) / chosen.share)
        parameters = faiss.IndexRefineSearchParameters(k_factor=_SKETCHED)
        positions, scores = search_one(self._both, query, with_others, parameters)
        wanted = chosen.mask[positions]
        if np.count_nonzero(wanted) < min(count, int(np.count_nonzero(chosen.mask))):
            return None
        return positions[wanted][:count], scores[wanted][:count]


def _whole(values: NDArray[np.float32], scale: np.float32) -> NDArray[np.float32]:
    """Whole numbers that fit a signed byte; faiss itself would wrap those that do not."""
    scaled: NDArray[np.float32] = np.clip(np.rint(values * scale), -_LARGEST_BYTE, _LARGEST_BYTE)
    return scaled
