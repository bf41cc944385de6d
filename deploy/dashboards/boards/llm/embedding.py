"""The embedding model."""

from __future__ import annotations

from deploy.dashboards.boards.llm.names import EMBEDDINGS, OPERATION
from deploy.dashboards.model import Advice, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import mean, quantile, rate_or_zero

EMBEDDING = Row(
    "Embedding",
    (
        Panel(
            Kind.TIMESERIES,
            "Time of an embedding call",
            "s",
            Advice(
                "p95 of one call of the embedding model: questions in the api, chunks in the processor.",
                "milliseconds in the api, up to a second for a large batch in the processor.",
                "a rise in the api with a backlog in the processor: both want the same CPU.",
            ),
            (Query(quantile(0.95, OPERATION, "job", EMBEDDINGS), "{{job}}", exemplars=True),),
            Limits(warn=1, bad=5),
        ),
        Panel(
            Kind.TIMESERIES,
            "Texts in one embedding call",
            "short",
            Advice(
                "The mean batch: chunks in the processor, questions that arrived together in the api.",
                "1 in the api when calm; grows with load, which is what keeps it fast.",
                "1 in the processor under load: events arrive singly, batches are not filled.",
            ),
            (Query(mean("rag_embedding_batch_size", "job"), "{{job}}"),),
        ),
        Panel(
            Kind.TIMESERIES,
            "Embedding calls",
            "ops",
            Advice(
                "Calls of the embedding model a second.",
                "follows questions and edits.",
                "0 in the processor with a lag: open Pipeline.",
            ),
            (Query(rate_or_zero(f"{OPERATION}_count", "job", EMBEDDINGS), "{{job}}"),),
        ),
    ),
)
