"""How long a question takes, and where."""

from __future__ import annotations

from deploy.dashboards.model import Advice, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import buckets, or_else, quantile

LATENCY = Row(
    "Where the time goes",
    (
        Panel(
            Kind.TIMESERIES,
            "Time to answer",
            "s",
            Advice(
                "How long questions took, by quantile, errors aside; a dot leads to the trace of one "
                "question.",
                "p95 well under 10 s with a model; 0 while nobody asks.",
                "AskLatencyHigh: follow a slow dot to Jaeger; the next panels say which stage.",
            ),
            (
                Query(quantile(0.5, "rag_request_duration_seconds"), "p50"),
                Query(quantile(0.95, "rag_request_duration_seconds"), "p95", exemplars=True),
                Query(quantile(0.99, "rag_request_duration_seconds"), "p99"),
            ),
            Limits(warn=5, bad=10),
        ),
        Panel(
            Kind.HEATMAP,
            "Time to answer, every question",
            "s",
            Advice(
                "Questions by how long they took: the darker, the more; dots lead to traces.",
                "one band for quotes and kept answers, one for generated ones.",
                "a third, slower band is a queue or a cold start: look at its traces.",
            ),
            (Query(buckets("rag_request_duration_seconds"), "{{le}}", exemplars=True),),
        ),
        Panel(
            Kind.TIMESERIES,
            "Stages, p95",
            "s",
            Advice(
                "p95 of each stage of an answer, one upon the other; a stage that was skipped is 0.",
                "generate is nearly all of it; the others take milliseconds.",
                "embed or retrieve above 0.1 s: the machine is short of CPU, or the store is slow "
                "(Infrastructure).",
            ),
            (Query(quantile(0.95, "rag_stage_duration_seconds", "stage"), "{{stage}}", exemplars=True),),
            Limits(warn=5, bad=10),
            stacked=True,
        ),
        Panel(
            Kind.TIMESERIES,
            "HTTP p95 by route",
            "s",
            Advice(
                "p95 of every route, to the end of the response; streams last as long as their reader stays.",
                "/v1/search in milliseconds; /v1/watch streams are long by nature.",
                "all routes slow: the process is short of CPU. One route: follow its dots to traces.",
            ),
            (
                Query(
                    quantile(0.95, "http_server_request_duration_seconds", "http_route"),
                    "{{http_route}}",
                    exemplars=True,
                ),
            ),
            Limits(warn=5, bad=10),
            width=12,
        ),
        Panel(
            Kind.TIMESERIES,
            "Requests being answered",
            "short",
            Advice(
                "Requests under way now, by method, open streams included.",
                "a handful; each standing question of a client counts one.",
                "a rise without more traffic: answers have become slow, see Stages.",
            ),
            (
                Query(
                    or_else("sum by (http_request_method) (http_server_active_requests)", 0),
                    "{{http_request_method}}",
                ),
            ),
            Limits(warn=50, bad=200),
            stacked=True,
            width=12,
        ),
    ),
)
