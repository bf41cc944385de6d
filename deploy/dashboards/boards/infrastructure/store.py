"""The vector store, whichever it is."""

from __future__ import annotations

from deploy.dashboards.model import Advice, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import or_else, quantile, rate_or_zero, share

_STORE_CALL = "db_client_operation_duration_seconds"

STORE = Row(
    "Store",
    (
        Panel(
            Kind.STAT,
            "Store reachable",
            "short",
            Advice(
                "Whether the store answers each service that uses it.",
                "up everywhere.",
                "StoreDown: questions get 503, the intake is held; bring the store back.",
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
                "Redis: memory of maxmemory. FAISS: its files, of what its disk could hold. 0 where there "
                "is no limit to compare with.",
                "below 75 %.",
                "above 85 %: StoreFillingUp. Set or lower MAX_CHUNKS, or give it more. Redis refuses "
                "writes when it is full.",
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
                "StoreDown.",
            ),
            (Query(rate_or_zero("rag_store_errors_total", "db_operation_name"), "{{db_operation_name}}"),),
            Limits(warn=0.01, bad=0.1),
        ),
    ),
)
