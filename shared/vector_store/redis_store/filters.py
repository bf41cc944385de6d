"""A ``SearchFilter`` as an expression over the attributes of a vector set's elements.

It lets through all that matches, and next to nothing else: labels of strings may coincide, and numbers
beyond 2^53 are compared as doubles. Whoever uses it checks the hits with ``SearchFilter.matches``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from shared.domain import SearchFilter, epoch_milliseconds
from shared.vector_store.redis_store.codec import label


def expression(where: SearchFilter | None) -> str:
    """Empty where everything matches."""
    if where is None:
        return ""
    terms = [
        _one_of(name, values)
        for name, values in (
            ("w", [label(wiki) for wiki in where.wikis]),
            ("n", list(where.namespaces)),
            ("s", [label(source) for source in where.sources]),
        )
        if values
    ]
    if where.exclude_bots:
        terms.append(".b == 0")
    since, until = time_range(where)
    if since is not None:
        terms.append(f".t >= {since}")
    if until is not None:
        terms.append(f".t <= {until}")
    return " and ".join(terms)


def element_test(where: SearchFilter) -> Callable[[Mapping[str, int]], bool]:
    """The same truth as the expression's, for the attributes of one element, but for the time."""
    wikis = {label(wiki) for wiki in where.wikis}
    sources = {label(source) for source in where.sources}

    def test(columns: Mapping[str, int]) -> bool:
        return (
            (not wikis or columns.get("w") in wikis)
            and (not where.namespaces or columns.get("n") in where.namespaces)
            and (not sources or columns["s"] in sources)
            and not (where.exclude_bots and columns["b"])
        )

    return test


def time_range(where: SearchFilter) -> tuple[int | None, int | None]:
    """The bounds of ``updated_at`` in epoch milliseconds, both inclusive."""
    since = None if where.since is None else _ceil_milliseconds(where.since)
    until = None if where.until is None else epoch_milliseconds(where.until)
    return since, until


def _one_of(name: str, values: list[int]) -> str:
    if len(values) == 1:
        return f".{name} == {values[0]}"
    return f".{name} in [{', '.join(str(value) for value in sorted(values))}]"


def _ceil_milliseconds(moment: datetime) -> int:
    return epoch_milliseconds(moment) + bool(moment.microsecond % 1000)
