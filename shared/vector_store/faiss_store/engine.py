"""How faiss is searched here: a query at a time, on the caller's thread, among the positions of a mask."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import faiss as typed_faiss
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.ports import Embedding

# The stubs in faiss's wheel know neither the constructors of its Python layer nor HNSW's parameters.
faiss: Any = typed_faiss


class Chosen:
    """The positions that a search may return: those where ``mask`` is true, ``share`` of all, in [0, 1]."""

    def __init__(self, mask: NDArray[np.bool_], share: float) -> None:
        self.mask = mask
        self.share = share

    @cached_property
    def selector(self) -> Any:
        """The same, for faiss."""
        return faiss.IDSelectorBitmap(np.packbits(self.mask, bitorder="little"))


def search_one(
    index: Any, query: Embedding, count: int, parameters: Any
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Up to ``count`` positions and their scores, best first."""
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
