"""The recency prior: of two passages that answer equally well, the newer one. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class RecencyPrior:
    """``weight`` in [0, 1] of the prior in the score; the prior halves with every ``half_life`` of age."""

    weight: float
    half_life: timedelta

    def apply(self, score: float, updated_at: datetime, now: datetime) -> float:
        """In [0, 1] if ``score`` is; a time in the future counts as now."""
        age = max(timedelta(0), now - updated_at)
        return (1 - self.weight) * score + self.weight * math.exp2(-(age / self.half_life))
