"""Use, saturation and errors of what everything runs on."""

from __future__ import annotations

from deploy.dashboards.model import Advice, Board, Kind, Limits, Panel, Query, Row, Variable
from deploy.dashboards.promql import increase, or_else, quantile, rate_or_zero, share

_JOB = 'job=~"$job"'
_STORE_CALL = "db_client_operation_duration_seconds"

_PROCESSES = Row(
    "Processes",
    (
        Panel(
            Kind.STAT,
            "Reachable",
            "short",
            Advice(
                "Whether Prometheus reaches each process.",
                "all up.",
                "dead or blocked: ./logs.sh SERVICE, then TargetDown in docs/runbook.",
            ),
            (Query(f"up{{{_JOB}}}", "{{job}} {{instance}}"),),
            Limits(warn=1, bad=0.5),
            states=((0, "down"), (1, "up")),
            width=12,
            height=5,
        ),
        Panel(
            Kind.STAT,
            "Running since",
            "s",
            Advice(
                "How long each process has been running.",
                "grows.",
                "back to 0 by itself: it died and was started again; its log's last lines say why.",
            ),
            (Query(f"time() - process_start_time_seconds{{{_JOB}}}", "{{job}} {{instance}}"),),
            width=12,
            height=5,
        ),
        Panel(
            Kind.TIMESERIES,
            "CPU",
            "short",
            Advice(
                "Cores that each process uses.",
                "the api and the processor use what embedding needs, the producer little.",
                "the sum at the machine's cores: everything slows down together; see Stages on Ask path.",
            ),
            (Query(f"rate(process_cpu_seconds_total{{{_JOB}}}[$__rate_interval])", "{{job}} {{instance}}"),),
            stacked=True,
        ),
        Panel(
            Kind.TIMESERIES,
            "Memory",
            "bytes",
            Advice(
                "Resident memory of each process.",
                "level after the models are loaded: about 1 GB for the api with the bundled model.",
                "a steady climb over days is a leak: restart it, keep the graph.",
            ),
            (Query(f"process_resident_memory_bytes{{{_JOB}}}", "{{job}} {{instance}}"),),
            Limits(warn=3e9, bad=6e9),
        ),
        Panel(
            Kind.TIMESERIES,
            "Open files",
            "percentunit",
            Advice(
                "Open files and connections, of what the system allows.",
                "a few percent.",
                "a climb: connections are not closed; above 80 % raise the limit before new ones are "
                "refused.",
            ),
            (
                Query(
                    f"process_open_fds{{{_JOB}}} / process_max_fds{{{_JOB}}}",
                    "{{job}} {{instance}}",
                ),
            ),
            Limits(warn=0.5, bad=0.8),
            top=1,
        ),
    ),
)

_STORE = Row(
    "Store",
    (
        Panel(
            Kind.STAT,
            "Store reachable",
            "short",
            Advice(
                "Whether the store answers each service that uses it.",
                "up everywhere.",
                "down: questions get 503 or quotes of nothing, the intake is held; bring the store back.",
            ),
            (Query(or_else("min by (job) (rag_store_up)", 0), "{{job}}"),),
            Limits(warn=1, bad=0.5),
            states=((0, "down"), (1, "up")),
            width=6,
        ),
        Panel(
            Kind.STAT,
            "Space used",
            "percentunit",
            Advice(
                "Redis: memory of maxmemory. FAISS: its files, of what its disk could hold. "
                "0 where there is no limit to compare with.",
                "below 75 %.",
                "above 85 %: set or lower MAX_CHUNKS, or give it more. Redis refuses writes when it is full.",
            ),
            (Query(share("max(rag_store_used_bytes)", "max(rag_store_limit_bytes)", 0), "used"),),
            Limits(warn=0.75, bad=0.85),
            width=6,
            top=1,
            decimals=1,
        ),
        Panel(
            Kind.TIMESERIES,
            "Size of the store",
            "bytes",
            Advice(
                "Memory (Redis) or files (FAISS) that the store takes.",
                "grows with the index, about 2 kB a chunk.",
                "grows while the index does not: see docs/stores.md on compaction.",
            ),
            (Query(or_else("max(rag_store_used_bytes)", 0), "used"),),
            width=12,
        ),
        Panel(
            Kind.TIMESERIES,
            "Store calls, p95",
            "s",
            Advice(
                "p95 of the store's calls that succeeded, by operation.",
                "milliseconds; flush and purge may take longer.",
                "all slow: disk or Redis. search alone: the index has outgrown the machine.",
            ),
            (Query(quantile(0.95, _STORE_CALL, "db_operation_name"), "{{db_operation_name}}"),),
            Limits(warn=0.5, bad=2),
        ),
        Panel(
            Kind.TIMESERIES,
            "Store calls",
            "ops",
            Advice(
                "Calls a second, by operation.",
                "reads with questions, writes with edits.",
                "reads without questions: changes, asked by each API's lexical index.",
            ),
            (Query(rate_or_zero(f"{_STORE_CALL}_count", "db_operation_name"), "{{db_operation_name}}"),),
            stacked=True,
        ),
        Panel(
            Kind.TIMESERIES,
            "Store errors",
            "ops",
            Advice(
                "Calls that failed because the store was away, by operation.",
                "none.",
                "StoreDown in docs/runbook.",
            ),
            (Query(rate_or_zero("rag_store_errors_total", "db_operation_name"), "{{db_operation_name}}"),),
            Limits(warn=0.01, bad=0.1),
        ),
    ),
)

_TELEMETRY = Row(
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
                "export_failed: Jaeger is away. queue_full: sample less.",
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
                "those alerts are blind: `promtool check rules prometheus/rules/*.yml`.",
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

INFRASTRUCTURE = Board(
    "live-rag-infrastructure",
    "Live RAG: Infrastructure",
    "Use, saturation and errors of processes, store, tracing and Prometheus.",
    (_PROCESSES, _STORE, _TELEMETRY),
    (Variable("job", "Service", "up", "job"),),
)
