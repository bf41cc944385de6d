"""Chance that repeats: one generator for each purpose, so that no draw disturbs another."""

from __future__ import annotations

from random import Random


def seeded(seed: int, *purpose: object) -> Random:
    return Random(":".join(str(part) for part in (seed, *purpose)))  # noqa: S311 - a story, not a secret
