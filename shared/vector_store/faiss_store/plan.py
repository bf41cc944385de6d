"""Which kind of index for how many chunks."""

from __future__ import annotations

from shared.vector_store.faiss_store.recipe import BYTES, IndexRecipe

AUTO = "auto"
FLAT_UP_TO = 20_000
"""Chunks that ``auto`` searches exactly: about 2 ms for 384 dimensions, and 30 MB of memory."""

_BACK_BELOW = 0.5


class IndexPlan:
    """``FAISS_INDEX``: ``auto``, or one kind as soon as there is enough to train it on.

    Until then an exact index stands in.

    :raises ConfigurationError: faiss cannot build such an index, or cannot filter it.
    """

    def __init__(self, setting: str, dimension: int, *, flat_up_to: int = FLAT_UP_TO) -> None:
        self._exact = IndexRecipe("Flat", dimension)
        self._other = IndexRecipe(BYTES if setting == AUTO else setting, dimension)
        self._first = flat_up_to + 1 if setting == AUTO else self._other.training_points
        self._last = round(_BACK_BELOW * flat_up_to) if setting == AUTO else 0

    @property
    def training_points(self) -> int:
        """Chunks that must be there before the index that was asked for can be trained."""
        return self._other.training_points

    def recipe_for(self, chunks: int, current: IndexRecipe | None = None) -> IndexRecipe:
        """Once chosen, a kind stays until the number has clearly changed."""
        if current is self._other:
            return self._other if chunks >= self._last else self._exact
        return self._other if chunks >= self._first else self._exact
