"""Spans of what is over already: one call each.

A batch does each step for many documents, and only afterwards is there something to say of each one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from opentelemetry import trace
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind
from opentelemetry.util.types import AttributeValue

from shared.observability.recording import RecordingProvider
from shared.observability.trace_ids import SAMPLED, below


class PastSpans:
    """Those of one part of the program, which ``scope`` names; none where nothing is exported."""

    def __init__(self, scope: str) -> None:
        self._scope = InstrumentationScope(scope)

    def record(
        self,
        name: str,
        parent: SpanContext,
        kind: SpanKind,
        started: int,
        attributes: Mapping[str, AttributeValue],
        links: Sequence[Link] = (),
    ) -> None:
        """From ``started`` (nanoseconds since 1970) to now; a child of ``parent``, if the sampler agrees."""
        provider = trace.get_tracer_provider()
        if not isinstance(provider, RecordingProvider):
            return
        in_parent = trace.set_span_in_context(trace.NonRecordingSpan(parent))
        if provider.wants(in_parent, parent.trace_id, name):
            context = below(parent, SAMPLED)
            ended = time.time_ns()
            provider.take(self._scope, name, context, parent, kind, started, ended, attributes, links)
