"""Percentiles for printing."""

from __future__ import annotations

from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all are no larger than."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)]


def spread(values: Sequence[float], unit: str) -> str:
    """``p50 … p95 … p99 … max …``"""
    parts = [f"p{share * 100:g} {percentile(values, share):.3f}" for share in (0.5, 0.95, 0.99)]
    return f"{'  '.join(parts)}  max {max(values):.3f} {unit}  (n={len(values)})"
