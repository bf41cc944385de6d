"""Durations as people write them: ``500ms``, ``5s``, ``10m``, ``2h``, ``7d``; ages as people read them."""

from __future__ import annotations

import re
from datetime import timedelta

_PATTERN = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)")
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


def parse_duration(text: str) -> timedelta:
    """:raises ValueError: not a number with a unit, or longer than ten years."""
    if text.strip() == "0":
        return timedelta(0)
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise ValueError("a duration such as 500ms, 5s, 10m, 2h or 7d is needed")
    number, unit = float(match[1]), _UNITS[match[2]]
    if number > timedelta(days=3650) / unit:
        raise ValueError("at most ten years")
    return number * unit


def describe_age(age: timedelta) -> str:
    """``just now``, ``1 minute ago``, ``3 hours ago``, ``2 years ago``: the largest unit, rounded down."""
    seconds = int(age.total_seconds())
    for unit, size in (("year", 31_557_600), ("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
