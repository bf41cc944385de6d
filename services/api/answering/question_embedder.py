"""The questions of several requests, embedded in one call; each request's trace has its span of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opentelemetry.trace import Span, SpanKind
from opentelemetry.util.types import AttributeValue

from shared.observability import semconv
from shared.observability.past_spans import PastSpans
from shared.ports import Embedder

if TYPE_CHECKING:
    from shared.ports import Embeddings


class QuestionEmbedder:
    """Safe to call from several threads."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._spans = PastSpans("services.api")
        self._attributes: dict[str, AttributeValue] = {
            semconv.OPENINFERENCE_KIND: "EMBEDDING",
            semconv.GEN_AI_OPERATION: "embeddings",
            semconv.GEN_AI_REQUEST_MODEL: embedder.name,
            semconv.GEN_AI_EMBEDDING_DIMENSION: embedder.dimension,
        }

    def embed(self, questions: Sequence[str], requests: Sequence[Span]) -> Embeddings:
        """``(len(questions), dimension)``. ``requests``: the span of each question's request."""
        started = time.time_ns()
        embeddings = self._embedder.embed(questions)
        name = f"embeddings {self._embedder.name}"
        for request in requests:
            parent = request.get_span_context()
            self._spans.record(name, parent, SpanKind.CLIENT, started, self._attributes)
        return embeddings
