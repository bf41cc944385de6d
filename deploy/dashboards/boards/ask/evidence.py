"""What retrieval finds."""

from __future__ import annotations

from deploy.dashboards.model import Advice, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import quantile, rate, share

EVIDENCE = Row(
    "Evidence",
    (
        Panel(
            Kind.TIMESERIES,
            "Similarity of the best evidence",
            "percentunit",
            Advice(
                "How near the best passage comes to the question, over questions that have evidence.",
                "a median of 50 to 80 %, steady over days; 100 % is drawn while nobody asks.",
                "TopScoreDrop: questions of another kind, or another embedding model than the index was "
                "made with.",
            ),
            (
                Query(quantile(0.1, "rag_retrieval_top_score", quiet=1), "p10"),
                Query(quantile(0.5, "rag_retrieval_top_score", quiet=1), "p50"),
            ),
            Limits(warn=0.4, bad=0.25),
            top=1,
        ),
        Panel(
            Kind.TIMESERIES,
            "Questions without evidence",
            "percentunit",
            Advice(
                "The share of questions that ended with 'nothing found', and those that retrieval found "
                "nothing for.",
                "below 15 %; 0 while nobody asks.",
                "NoContextShareHigh: is the index filled (Pipeline), are filters or the time window too "
                "narrow?",
            ),
            (
                Query(
                    share(
                        rate("rag_requests_total", where='outcome="no_context"'),
                        rate("rag_requests_total"),
                        0,
                    ),
                    "no answer",
                ),
                Query(
                    share(rate("rag_retrieval_empty_total"), rate("rag_retrieved_documents_count"), 0),
                    "nothing retrieved",
                ),
            ),
            Limits(warn=0.15, bad=0.3),
            top=1,
        ),
        Panel(
            Kind.TIMESERIES,
            "Age of cited documents",
            "s",
            Advice(
                "How long ago the documents that answers cite were last edited.",
                "young for questions about news, any for others; 0 while nobody asks.",
                "if all is old, check on Pipeline that edits arrive.",
            ),
            (
                Query(quantile(0.5, "rag_context_age_seconds"), "p50"),
                Query(quantile(0.9, "rag_context_age_seconds"), "p90"),
            ),
        ),
        Panel(
            Kind.TIMESERIES,
            "Documents found for a question",
            "short",
            Advice(
                "How many documents retrieval brings, by quantile.",
                "up to the number that is asked for, top_k.",
                "a falling p10 comes before 'nothing found'.",
            ),
            (
                Query(quantile(0.1, "rag_retrieved_documents"), "p10"),
                Query(quantile(0.5, "rag_retrieved_documents"), "p50"),
            ),
            width=12,
        ),
        Panel(
            Kind.TIMESERIES,
            "Search in the store, p95",
            "s",
            Advice(
                "p95 of the store's calls that a question needs.",
                "below 50 ms.",
                "grows with the index: docs/stores.md says what the stores are made for.",
            ),
            (
                Query(
                    quantile(
                        0.95,
                        "db_client_operation_duration_seconds",
                        "db_operation_name",
                        'db_operation_name=~"search|nearest|get_many|embeddings"',
                    ),
                    "{{db_operation_name}}",
                ),
            ),
            Limits(warn=0.1, bad=0.5),
            width=12,
        ),
    ),
)
