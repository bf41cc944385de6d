from __future__ import annotations

import numpy as np
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from shared.embedder.hashing import HashingEmbedder
from shared.observability.measured_embedder import MeasuredEmbedder
from shared.observability.metrics import ModelOperations
from tests.support.exposition import exemplars, openmetrics

NAME = "gen_ai_client_operation_duration_seconds"


def test_each_call_of_the_model_is_measured_under_its_name() -> None:
    registry, plain = CollectorRegistry(), HashingEmbedder()
    embedder = MeasuredEmbedder(plain, ModelOperations(registry), "hashing")
    labels = {
        "gen_ai_operation_name": "embeddings",
        "gen_ai_provider_name": "hashing",
        "gen_ai_request_model": plain.name,
        "error_type": "",
    }
    assert registry.get_sample_value(f"{NAME}_count", labels) == 0
    with TracerProvider().get_tracer("test").start_as_current_span("ask") as span:
        assert np.array_equal(embedder.embed(["a text", "another"]), plain.embed(["a text", "another"]))
    assert registry.get_sample_value(f"{NAME}_count", labels) == 1
    assert exemplars(openmetrics(registry), NAME) == {f"{span.get_span_context().trace_id:032x}"}
    assert (embedder.name, embedder.dimension, embedder.max_tokens, embedder.count_tokens(["a b"])) == (
        plain.name,
        plain.dimension,
        plain.max_tokens,
        plain.count_tokens(["a b"]),
    )
