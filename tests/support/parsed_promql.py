"""What a PromQL query asks for, by a real parser of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import promql_parser


def parsed(expression: str) -> Any:
    """:raises ValueError: it is no PromQL."""
    return promql_parser.parse(expression)


def nodes(node: Any) -> Iterator[Any]:
    """``node`` and all beneath it."""
    yield node
    children = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "vector_selector", "param")]
    for child in (*children, *getattr(node, "args", ())):
        if child is not None:
            yield from nodes(child)


def selectors(expression: str) -> list[Any]:
    return [node for node in nodes(parsed(expression)) if isinstance(node, promql_parser.VectorSelector)]


def grouping(expression: str) -> set[str]:
    """All labels that its aggregations keep."""
    aggregations = (
        node for node in nodes(parsed(expression)) if isinstance(node, promql_parser.AggregateExpr)
    )
    return {label for each in aggregations if each.modifier is not None for label in each.modifier.labels}
