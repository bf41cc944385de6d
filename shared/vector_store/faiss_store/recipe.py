"""``FAISS_INDEX``: from faiss's factory string to an index that can be filtered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faiss as typed_faiss
import numpy as np

from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.ports import Embeddings

# The stubs in faiss's wheel know neither the constructors of its Python layer nor HNSW's parameters.
faiss: Any = typed_faiss

_POINTS_PER_CENTROID = 39  # below, faiss itself warns of a poor clustering
_MIN_TRAINING_POINTS = 1_000


class IndexRecipe:
    """Makes empty indexes of inner product, whose ids are positions: 0, 1, 2 … in order of adding.

    :raises ConfigurationError: faiss cannot build it, or cannot filter it.
    """

    def __init__(self, description: str, dimension: int) -> None:
        self._description = description
        self._dimension = dimension
        index = self._build()
        self.training_points = 0 if index.is_trained else _training_points(index)
        """Embeddings that must be there before the index can be trained; 0 where none is needed."""

    def flat(self) -> Any:
        """The exact index that stands in until there is enough to train on."""
        return faiss.IndexFlatIP(self._dimension)

    def create(self, sample: Embeddings | None = None) -> Any:
        """``sample`` ``(at least training_points, dimension)`` is what the index is trained on."""
        index = self._build()
        if not index.is_trained:
            assert sample is not None
            try:
                index.train(sample)
            except RuntimeError as error:
                raise self._refused(
                    f"training on {len(sample)} embeddings failed: {_reason(error)}"
                ) from None
        _search_wider(index)
        return index

    def _build(self) -> Any:
        try:
            index = faiss.index_factory(self._dimension, self._description, faiss.METRIC_INNER_PRODUCT)
        except RuntimeError as error:
            raise self._refused(_reason(error)) from None
        if isinstance(index, (faiss.IndexIDMap, faiss.IndexIDMap2)):
            raise self._refused("leave the IDMap out, the store keeps its own")
        if not isinstance(_innermost(index), _FILTERABLE):
            raise self._refused("faiss cannot filter this kind of index")
        return index

    def _refused(self, why: str) -> ConfigurationError:
        return ConfigurationError(
            f"FAISS_INDEX={self._description}: {why}; use a faiss factory string such as Flat, SQ8, HNSW32 "
            f"or IVF256,Flat"
        )


_FILTERABLE = (faiss.IndexFlat, faiss.IndexScalarQuantizer, faiss.IndexHNSW, faiss.IndexIVF)


def _innermost(index: Any) -> Any:
    """Below transformations and refinements: what does the searching."""
    if isinstance(index, faiss.IndexPreTransform):
        return _innermost(faiss.downcast_index(index.index))
    if isinstance(index, faiss.IndexRefine):
        return _innermost(faiss.downcast_index(index.base_index))
    return index


def is_exact(index: Any) -> bool:
    return isinstance(index, faiss.IndexFlat)


def search_parameters(index: Any, mask: NDArray[np.bool_], count: int) -> Any:
    """Parameters that let only positions with a true ``mask`` through."""
    return _with_selector(index, selector(mask), count)


def selector(mask: NDArray[np.bool_]) -> Any:
    return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))


def _with_selector(index: Any, chosen: Any, count: int) -> Any:
    if isinstance(index, faiss.IndexPreTransform):
        inner = _with_selector(faiss.downcast_index(index.index), chosen, count)
        return faiss.SearchParametersPreTransform(index_params=inner)
    if isinstance(index, faiss.IndexRefine):
        base = _with_selector(faiss.downcast_index(index.base_index), chosen, count)
        return faiss.IndexRefineSearchParameters(k_factor=4.0, base_index_params=base)
    if isinstance(index, faiss.IndexIVF):
        return faiss.SearchParametersIVF(sel=chosen, nprobe=index.nprobe)
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
