"""From a kind of index, as ``FAISS_INDEX`` names it, to an empty index that can be searched with a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from shared.errors import ConfigurationError
from shared.vector_store.faiss_store.byte_index import SAMPLE_SIZE, ByteIndex
from shared.vector_store.faiss_store.engine import Chosen, faiss, search_one

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shared.ports import Embedding, Embeddings

BYTES = "bytes"
"""The kind that is not faiss's own word: each component of an embedding as one signed byte."""

_POINTS_PER_CENTROID = 39  # below, faiss itself warns of a poor clustering
_MIN_TRAINING_POINTS = 1_000


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
        self, query: Embedding, count: int, chosen: Chosen
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Up to ``count`` of the ``chosen`` positions, and their scores, best first."""

    def embeddings(self, positions: NDArray[np.int64]) -> Embeddings | None:
        """``(len(positions), dimension)``, as they were added; ``None``: they are not kept so."""


class IndexRecipe:
    """:raises ConfigurationError: faiss cannot build such an index, or cannot filter it."""

    def __init__(self, kind: str, dimension: int) -> None:
        self.kind = kind
        self._dimension = dimension
        if kind == BYTES:
            self.training_points = 0
            self.sample_size = SAMPLE_SIZE
        else:
            index = self._build()
            self.training_points = 0 if index.is_trained else _training_points(index)
            """Embeddings that must be there before the index can be trained; 0 where none is needed."""
            self.sample_size = 4 * self.training_points
            """How many embeddings ``create`` wants to see, where there are as many."""

    def create(self, sample: Embeddings) -> PositionIndex:
        """``sample`` ``(at least training_points, dimension)`` is what the index is fitted to."""
        if self.kind == BYTES:
            return ByteIndex(self._dimension, sample)
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
        self, query: Embedding, count: int, chosen: Chosen
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        return search_one(self._index, query, count, search_parameters(self._index, chosen, count))

    def embeddings(self, positions: NDArray[np.int64]) -> Embeddings | None:
        return self._index.reconstruct_batch(positions) if self.exact else None


_FILTERABLE = (faiss.IndexFlat, faiss.IndexScalarQuantizer, faiss.IndexHNSW, faiss.IndexIVF)


def _innermost(index: Any) -> Any:
    """Below transformations and refinements: what does the searching."""
    if isinstance(index, faiss.IndexPreTransform):
        return _innermost(faiss.downcast_index(index.index))
    if isinstance(index, faiss.IndexRefine):
        return _innermost(faiss.downcast_index(index.base_index))
    return index


def search_parameters(index: Any, chosen: Chosen, count: int) -> Any:
    if isinstance(index, faiss.IndexPreTransform):
        inner = search_parameters(faiss.downcast_index(index.index), chosen, count)
        return faiss.SearchParametersPreTransform(index_params=inner)
    if isinstance(index, faiss.IndexRefine):
        base = search_parameters(faiss.downcast_index(index.base_index), chosen, count)
        return faiss.IndexRefineSearchParameters(k_factor=4.0, base_index_params=base)
    if isinstance(index, faiss.IndexIVF):
        # The rarer the matches, the more lists it takes to meet as many of them.
        lists = min(index.nlist, round(index.nprobe / max(chosen.share, 1e-9)))
        return faiss.SearchParametersIVF(sel=chosen.selector, nprobe=lists)
    if isinstance(index, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(sel=chosen.selector, efSearch=max(index.hnsw.efSearch, 2 * count))
    return faiss.SearchParameters(sel=chosen.selector)


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
