"""From a kind of index, as ``FAISS_INDEX`` names it, to an empty index that can be searched with a mask."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import faiss as typed_faiss
import numpy as np

from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.ports import Embedding, Embeddings

# The stubs in faiss's wheel know neither the constructors of its Python layer nor HNSW's parameters.
faiss: Any = typed_faiss

BYTES = "bytes"
"""The kind that is not faiss's own word: each component of an embedding as one signed byte."""

_POINTS_PER_CENTROID = 39  # below, faiss itself warns of a poor clustering
_MIN_TRAINING_POINTS = 1_000
_BYTES_SAMPLE = 256
_LARGEST_BYTE = 127
_HEADROOM = 1.1


class PositionIndex(Protocol):
    """Inner products with embeddings at positions 0, 1, 2 … in order of adding.

    One thread adds; while none does, several may search.
    """

    @property
    def exact(self) -> bool:
        """Whether ``search`` misses nothing, and its scores are those of float32."""

    def add(self, embeddings: Embeddings) -> None:
        """``(n, dimension)``"""

    def search(
        self, query: Embedding, count: int, chosen: Any, share: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Up to ``count`` positions that the selector ``chosen`` lets through, and their scores, best
        first. ``share`` of all positions are let through."""


class IndexRecipe:
    """:raises ConfigurationError: faiss cannot build such an index, or cannot filter it."""

    def __init__(self, kind: str, dimension: int) -> None:
        self.kind = kind
        self._dimension = dimension
        if kind == BYTES:
            self.training_points = 0
            self.sample_size = _BYTES_SAMPLE
        else:
            index = self._build()
            self.training_points = 0 if index.is_trained else _training_points(index)
            """Embeddings that must be there before the index can be trained; 0 where none is needed."""
            self.sample_size = 4 * self.training_points
            """How many embeddings ``create`` wants to see, where there are as many."""

    def create(self, sample: Embeddings) -> PositionIndex:
        """``sample`` ``(at least training_points, dimension)`` is what the index is fitted to."""
        if self.kind == BYTES:
            return _ByteIndex(self._dimension, sample)
        index = self._build()
        if not index.is_trained:
            try:
                index.train(sample)
            except RuntimeError as error:
                raise self._refused(
                    f"training on {len(sample)} embeddings failed: {_reason(error)}"
                ) from None
        _search_wider(index)
        return _FaissIndex(index)

    def _build(self) -> Any:
        try:
            index = faiss.index_factory(self._dimension, self.kind, faiss.METRIC_INNER_PRODUCT)
        except RuntimeError as error:
            raise self._refused(_reason(error)) from None
        if isinstance(index, (faiss.IndexIDMap, faiss.IndexIDMap2)):
            raise self._refused("leave the IDMap out, the store keeps its own")
        if not isinstance(_innermost(index), _FILTERABLE):
            raise self._refused("faiss cannot filter this kind of index")
        return index

    def _refused(self, why: str) -> ConfigurationError:
        return ConfigurationError(
            f"FAISS_INDEX={self.kind}: {why}; use auto, or a faiss factory string such as Flat, SQ8, HNSW32 "
            f"or IVF256,Flat"
        )


class _FaissIndex:
    def __init__(self, index: Any) -> None:
        self._index = index

    @property
    def exact(self) -> bool:
        return isinstance(self._index, faiss.IndexFlat)

    def add(self, embeddings: Embeddings) -> None:
        self._index.add(embeddings)

    def search(
        self, query: Embedding, count: int, chosen: Any, share: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        parameters = search_parameters(self._index, chosen, count, share)
        return _found(self._index, query, count, parameters)


class _ByteIndex:
    """A quarter of the memory of float32, and the products of bytes are several times as fast."""

    def __init__(self, dimension: int, sample: Embeddings) -> None:
        largest = float(np.abs(sample).max(initial=0.0)) or 1.0
        self._scale = np.float32(_LARGEST_BYTE / min(1.0, largest * _HEADROOM))
        self._index = faiss.IndexScalarQuantizer(
            dimension, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
        )
        assert self._index.is_trained

    @property
    def exact(self) -> bool:
        return False

    def add(self, embeddings: Embeddings) -> None:
        self._index.add(self._scaled(embeddings, self._scale))

    def search(
        self, query: Embedding, count: int, chosen: Any, share: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        scale = np.float32(_LARGEST_BYTE / np.abs(query).max())
        parameters = faiss.SearchParameters(sel=chosen)
        positions, scores = _found(self._index, self._scaled(query, scale), count, parameters)
        return positions, scores / (scale * self._scale)

    @staticmethod
    def _scaled(values: NDArray[np.float32], scale: np.float32) -> NDArray[np.float32]:
        """Whole numbers that fit a signed byte; faiss itself would wrap those that do not."""
        scaled: NDArray[np.float32] = np.clip(np.rint(values * scale), -_LARGEST_BYTE, _LARGEST_BYTE)
        return scaled


def _found(
    index: Any, query: Embedding, count: int, parameters: Any
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    with _one_thread():
        scores, positions = index.search(query[np.newaxis], count, params=parameters)
    found = positions[0] >= 0
    return positions[0][found], scores[0][found]


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """A team of threads for one query waits for its slowest member: no faster on a quiet machine, and
    several times as slow while the embedder or other searches use the processors."""
    threads = faiss.omp_get_max_threads()  # the setting is the calling thread's own
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


_FILTERABLE = (faiss.IndexFlat, faiss.IndexScalarQuantizer, faiss.IndexHNSW, faiss.IndexIVF)


def _innermost(index: Any) -> Any:
    """Below transformations and refinements: what does the searching."""
    if isinstance(index, faiss.IndexPreTransform):
        return _innermost(faiss.downcast_index(index.index))
    if isinstance(index, faiss.IndexRefine):
        return _innermost(faiss.downcast_index(index.base_index))
    return index


def selector(mask: NDArray[np.bool_]) -> Any:
    """Lets only positions with a true ``mask`` through."""
    return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))


def search_parameters(index: Any, chosen: Any, count: int, share: float) -> Any:
    if isinstance(index, faiss.IndexPreTransform):
        inner = search_parameters(faiss.downcast_index(index.index), chosen, count, share)
        return faiss.SearchParametersPreTransform(index_params=inner)
    if isinstance(index, faiss.IndexRefine):
        base = search_parameters(faiss.downcast_index(index.base_index), chosen, count, share)
        return faiss.IndexRefineSearchParameters(k_factor=4.0, base_index_params=base)
    if isinstance(index, faiss.IndexIVF):
        # The rarer the matches, the more lists it takes to meet as many of them.
        lists = min(index.nlist, round(index.nprobe / max(share, 1e-9)))
        return faiss.SearchParametersIVF(sel=chosen, nprobe=lists)
    if isinstance(index, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(sel=chosen, efSearch=max(index.hnsw.efSearch, 2 * count))
    return faiss.SearchParameters(sel=chosen)


def _search_wider(index: Any) -> None:
    """Faiss's default visits one list, which misses most of the neighbours."""
    lists = faiss.try_extract_index_ivf(index)
    if lists is not None:
        lists.nprobe = max(1, min(lists.nlist, round(2 * lists.nlist**0.5)))


def _training_points(index: Any) -> int:
    centroids = 0
    lists = faiss.try_extract_index_ivf(index)
    if lists is not None:
        lists = faiss.downcast_index(lists)
        centroids = lists.nlist
    for part in (index, lists):
        quantizer = getattr(part, "pq", None)
        if quantizer is not None:
            centroids = max(centroids, quantizer.ksub)
    return max(_MIN_TRAINING_POINTS, _POINTS_PER_CENTROID * centroids)


def _reason(error: RuntimeError) -> str:
    """Faiss puts its own source location first; a user needs what follows."""
    return str(error).rpartition("Error: ")[2].rpartition(".cpp")[2].partition(": ")[2] or str(error)
