"""From a figure to a request that it came from: the trace id that goes with an observation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from opentelemetry import trace

Exemplar = dict[str, str]

_SAMPLED_PARENT = re.compile(rb"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f][13579bdf]")


def exemplar() -> Exemplar | None:
    """Of the current span; ``None`` where its trace is not kept, so that the id would lead nowhere."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid or not context.trace_flags.sampled:
        return None
    return {"trace_id": f"{context.trace_id:032x}"}


def exemplar_of(headers: Sequence[tuple[str, bytes]]) -> Exemplar | None:
    """Of the trace that a record carries in ``traceparent``; as ``exemplar``."""
    for name, value in headers:
        if name == "traceparent":
            parent = _SAMPLED_PARENT.fullmatch(value or b"")
            return {"trace_id": parent[1].decode()} if parent else None
    return None
