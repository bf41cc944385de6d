"""Percentiles for printing."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, sqrt


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all are no larger than."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)]


def spread(values: Sequence[float], unit: str) -> str:
    """``p50 … p95 … p99 … max …``"""
    parts = [f"p{share * 100:g} {percentile(values, share):.3f}" for share in (0.5, 0.95, 0.99)]
    return f"{'  '.join(parts)}  max {max(values):.3f} {unit}  (n={len(values)})"


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Two of the values, between which the median of all that might have been measured lies with 95 %
    confidence, whatever their distribution (by the normal approximation of the sign test's ranks)."""
    ordered = sorted(values)
    below = max(0, floor((len(ordered) - 1.96 * sqrt(len(ordered))) / 2))
    return ordered[below], ordered[-1 - below]
