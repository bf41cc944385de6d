"""What of the index a question looks at."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain import SearchFilter


@dataclass(frozen=True, slots=True)
class Scope:
    """``top_k`` passages that satisfy ``where``. ``recency``: the weight of being new in a score, from 0 to
    1; ``None``: as the settings say."""

    top_k: int
    where: SearchFilter = field(default_factory=SearchFilter)
    recency: float | None = None
