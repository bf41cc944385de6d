"""How long asks and edits take."""

from __future__ import annotations

from deploy.dashboards.boards.overview.promises import ERROR_BUDGET
from deploy.dashboards.model import Advice, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import or_else, quantile

ASKS = Row(
    "Asks and freshness",
    (
        Panel(
            Kind.TIMESERIES,
            "Time to answer",
            "s",
            Advice(
                "How long questions took, by quantile; a dot is one question, and leads to its trace.",
                "p95 well under 10 s with a model, under 1 s with quotes; 0 while nobody asks.",
                "follow a dot of the slow ones to Jaeger; compare the stages on Ask path.",
            ),
            (
                Query(quantile(0.5, "rag_request_duration_seconds"), "p50"),
                Query(quantile(0.95, "rag_request_duration_seconds"), "p95", exemplars=True),
                Query(quantile(0.99, "rag_request_duration_seconds"), "p99"),
            ),
            Limits(warn=5, bad=10),
        ),
        Panel(
            Kind.TIMESERIES,
            "From edit to searchable",
            "s",
            Advice(
                "Freshness: from the event's time at its source until a search finds it; dots lead to "
                "traces.",
                "p95 of a few seconds; 0 while nothing is edited.",
                "open Pipeline: is it the fetch, the lag or the batch?",
            ),
            (
                Query(quantile(0.5, "rag_ingest_end_to_end_seconds"), "p50"),
                Query(quantile(0.95, "rag_ingest_end_to_end_seconds"), "p95", exemplars=True),
                Query(quantile(0.99, "rag_ingest_end_to_end_seconds"), "p99"),
            ),
            Limits(warn=10, bad=30),
        ),
        Panel(
            Kind.TIMESERIES,
            "Burn rate (5 minutes, 1 hour, 6 hours)",
            "short",
            Advice(
                "How many times faster than allowed the error budget is being used up, over three windows.",
                "below 1. At 14.4, a 30-day budget is gone in two days.",
                "AskBudgetBurnFast, AskBudgetBurnMedium. A spike in the 5 minutes alone does not page.",
            ),
            tuple(
                Query(or_else(f"rag:ask_errors:ratio_rate{window} / {ERROR_BUDGET:g}", 0), legend)
                for window, legend in (("5m", "5 minutes"), ("1h", "1 hour"), ("6h", "6 hours"))
            ),
            Limits(warn=6, bad=14.4),
        ),
    ),
)
