"""Whether what shows everything can be trusted."""

from __future__ import annotations

from deploy.dashboards.model import Advice, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import increase, or_else, rate_or_zero

_JOB = 'job=~"$job"'

TELEMETRY = Row(
    "Telemetry itself",
    (
        Panel(
            Kind.TIMESERIES,
            "Spans delivered and dropped",
            "ops",
            Advice(
                "Spans that the trace receiver took, and those that were lost, by reason. Work is never "
                "held up by it.",
                "nothing dropped; all 0 where no receiver is set.",
                "TracesDropped. export_failed: Jaeger is away. queue_full: sample less.",
            ),
            (
                Query(rate_or_zero("rag_trace_spans_exported_total"), "delivered"),
                Query(rate_or_zero("rag_trace_spans_dropped_total", "reason"), "{{reason}}"),
            ),
        ),
        Panel(
            Kind.TIMESERIES,
            "Series in Prometheus",
            "short",
            Advice(
                "Series that Prometheus holds in memory.",
                "a few thousand, level.",
                "a climb: a label with ever new values; the tests bound ours, so look at what else it "
                "scrapes.",
            ),
            (Query("sum(prometheus_tsdb_head_series)", "series"),),
            Limits(warn=50000, bad=200000),
        ),
        Panel(
            Kind.TIMESERIES,
            "Time to scrape",
            "s",
            Advice(
                "How long each process takes to hand out its metrics.",
                "tens of milliseconds.",
                "seconds: the process is starved of CPU; at 5 s the scrape is given up and it counts as "
                "down.",
            ),
            (Query(f"max by (job) (scrape_duration_seconds{{{_JOB}}})", "{{job}}"),),
            Limits(warn=1, bad=5),
        ),
        Panel(
            Kind.TIMESERIES,
            "Rules that failed",
            "short",
            Advice(
                "Alert and recording rules that Prometheus could not evaluate, in each interval.",
                "0.",
                "PrometheusRuleFailures: those alerts are blind; `promtool check rules "
                "prometheus/rules/*.yml`.",
            ),
            (Query(increase("prometheus_rule_evaluation_failures_total"), "failures"),),
            Limits(warn=0.5, bad=1),
            width=12,
        ),
        Panel(
            Kind.BARS,
            "Versions",
            "short",
            Advice(
                "Processes of each service and version.",
                "one version of each service, save during a rollout.",
                "two versions for long: a replica was forgotten.",
            ),
            (Query(or_else("count by (service, version) (rag_build_info)", 0), "{{service}} {{version}}"),),
            width=12,
        ),
    ),
)
