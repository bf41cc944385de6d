"""The stream and the producer."""

from __future__ import annotations

from deploy.dashboards.model import Advice, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import or_else, quantile, rate_or_zero

STREAM = Row(
    "Stream and producer",
    (
        Panel(
            Kind.STAT,
            "Connection to the stream",
            "short",
            Advice(
                "Whether the producer is connected to its source.",
                "connected; for moments not, when the source closes the stream, as Wikimedia does every "
                "15 minutes.",
                "not for minutes: SourceDisconnected. Nothing is lost: it resumes where it was.",
            ),
            (Query(or_else("max(rag_source_connected)", 0), "stream"),),
            Limits(warn=1, bad=0.5),
            states=((0, "not connected"), (1, "connected")),
            width=4,
        ),
        Panel(
            Kind.TIMESERIES,
            "Events that are no documents",
            "ops",
            Advice(
                "Events dropped on purpose, by reason.",
                "mostly filtered: other wikis, bots and namespaces than chosen.",
                "all of them filtered: the filter's settings fit nothing.",
            ),
            (Query(rate_or_zero("rag_source_dropped_total", "reason"), "{{reason}}"),),
            stacked=True,
            width=7,
        ),
        Panel(
            Kind.TIMESERIES,
            "Fetching page texts, p95",
            "s",
            Advice(
                "How long it takes to fetch a page's text.",
                "below 1 s.",
                "above: the wiki slows us down; events wait, none is lost.",
            ),
            (Query(quantile(0.95, "rag_source_enrich_duration_seconds"), "p95"),),
            Limits(warn=2, bad=10),
            width=7,
        ),
        Panel(
            Kind.TIMESERIES,
            "Reconnects and texts not fetched",
            "ops",
            Advice(
                "New connections to the stream, and pages sent with title and comment only.",
                "a reconnect now and then; no failures.",
                "EnrichmentFailing: the wiki refuses (rate limit, or it is down), see the producer's log.",
            ),
            (
                Query(rate_or_zero("rag_source_reconnects_total"), "reconnects"),
                Query(rate_or_zero("rag_source_enrich_failures_total"), "texts not fetched"),
            ),
            Limits(warn=0.1, bad=1),
            width=6,
        ),
        Panel(
            Kind.TIMESERIES,
            "Events in the producer's hands",
            "short",
            Advice(
                "Read and neither acknowledged by the broker nor put aside.",
                "a few, up to the workers' number; the reader waits when it is full.",
                "full and standing: the broker or the wiki does not answer.",
            ),
            (Query(or_else("sum(rag_source_outstanding_events)", 0), "events"),),
            Limits(warn=500, bad=1000),
            width=12,
        ),
        Panel(
            Kind.TIMESERIES,
            "Dead letters by reason",
            "ops",
            Advice(
                "Records that could not be read, kept in the dead letter topic with the reason.",
                "none.",
                "`python -m services.processor dlq list` shows them, `redrive` sends them again once mended.",
            ),
            (Query(rate_or_zero("rag_dlq_messages_total", "reason"), "{{reason}}"),),
            Limits(warn=0.001, bad=0.1),
            width=12,
        ),
    ),
)
