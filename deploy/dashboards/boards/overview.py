"""Whether the promises are kept, and what is firing."""

from __future__ import annotations

from deploy.dashboards.model import Advice, Board, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import age, or_else, quantile, rate, rate_or_zero, share, within

ERROR_BUDGET = 0.005
"""Share of asks that may fail: the SLO is 99.5 % over 30 days."""

_ALL = "rag_requests_total"
_ERRORS = 'outcome="error"'


def _error_share(window: str) -> str:
    return share(rate(_ALL, where=_ERRORS, window=window), rate(_ALL, window=window), 0)


_PROMISES = Row(
    "Promises",
    (
        Panel(
            Kind.STAT,
            "Asks without error (5 minutes)",
            "percentunit",
            Advice(
                "The share of questions that did not end in an error. Promised: 99.5 % over 30 days.",
                "100 %, also when nobody asks.",
                "open Ask path: outcomes and failing routes; then the API's log with a trace id from there.",
            ),
            (
                Query(
                    share(rate(_ALL, where='outcome!="error"', window="5m"), rate(_ALL, window="5m"), 1),
                    "asks",
                ),
            ),
            Limits(warn=0.999, bad=0.995),
            width=4,
            height=4,
            top=1,
            decimals=2,
        ),
        Panel(
            Kind.STAT,
            "Error budget left (30 days)",
            "percentunit",
            Advice(
                "What is left of the 0.5 % of asks that may fail in 30 days.",
                "falls slowly and comes back as old errors leave the window; 100 % without errors.",
                "below 50 %: change nothing risky; at 0 the promise is broken, mend before anything else.",
            ),
            (
                Query(
                    f"1 - ({_error_share('30d')}) / {ERROR_BUDGET:g}",
                    "budget",
                ),
            ),
            Limits(warn=0.5, bad=0.1),
            width=4,
            height=4,
            top=1,
            decimals=1,
        ),
        Panel(
            Kind.STAT,
            "Asks within 10 s (5 minutes)",
            "percentunit",
            Advice(
                "The share of questions answered within 10 s. Promised: 95 %.",
                "above 99 % on an idle machine, with the bundled model too.",
                "open Ask path: the stage that takes the time; mostly the model's queue (LLM).",
            ),
            (Query(within("10.0", "rag_request_duration_seconds", "5m"), "asks"),),
            Limits(warn=0.99, bad=0.95),
            width=4,
            height=4,
            top=1,
            decimals=1,
        ),
        Panel(
            Kind.STAT,
            "Edits searchable within 30 s (5 minutes)",
            "percentunit",
            Advice(
                "The share of events that were searchable within 30 s of their time at the source. "
                "Promised: 99 %.",
                "100 %; after a standstill it falls while the backlog is read, then comes back.",
                "open Pipeline: lag, blocked intake, slow batches.",
            ),
            (Query(within("30.0", "rag_ingest_end_to_end_seconds", "5m"), "edits"),),
            Limits(warn=0.995, bad=0.99),
            width=4,
            height=4,
            top=1,
            decimals=1,
        ),
        Panel(
            Kind.STAT,
            "First words within 5 s (5 minutes)",
            "percentunit",
            Advice(
                "The share of generated answers whose first piece came within 5 s, the wait for a turn "
                "included. "
                "Promised: 95 %.",
                "above 95 %; 100 % where no language model is configured.",
                "open LLM: questions that wait, tokens a second.",
            ),
            (Query(within("5.0", "gen_ai_client_operation_time_to_first_chunk_seconds", "5m"), "answers"),),
            Limits(warn=0.98, bad=0.95),
            width=4,
            height=4,
            top=1,
            decimals=1,
        ),
        Panel(
            Kind.STAT,
            "Alerts firing",
            "short",
            Advice(
                "Alert rules that fire now, the ever-firing Watchdog aside.",
                "0.",
                "the list above names them; each has a page in docs/runbook.",
            ),
            (Query(or_else('count(ALERTS{alertstate="firing", alertname!="Watchdog"})', 0), "firing"),),
            Limits(warn=1, bad=2),
            width=4,
            height=4,
        ),
    ),
)

_ASKS = Row(
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
                "below 1. At 14.4, a 30-day budget is gone in two days: that pages.",
                "see the runbook of AskBudgetBurnFast; a short spike in the 5 minutes alone mends itself.",
            ),
            tuple(
                Query(f"({_error_share(window)}) / {ERROR_BUDGET:g}", legend)
                for window, legend in (("5m", "5 minutes"), ("1h", "1 hour"), ("6h", "6 hours"))
            ),
            Limits(warn=6, bad=14.4),
        ),
    ),
)

_PARTS = Row(
    "Parts",
    (
        Panel(
            Kind.STAT,
            "Processes",
            "short",
            Advice(
                "Whether Prometheus reaches each process that it scrapes.",
                "all up.",
                "the process is dead or its port is blocked: ./logs.sh SERVICE, then TargetDown in "
                "docs/runbook.",
            ),
            (Query("min by (job) (up)", "{{job}}"),),
            Limits(warn=1, bad=0.5),
            states=((0, "down"), (1, "up")),
            width=8,
            height=5,
        ),
        Panel(
            Kind.STAT,
            "Dependencies",
            "short",
            Advice(
                "Whether the source stream, the broker and the store answer the services that need them.",
                "all up. The stream shows down where no producer runs.",
                "services wait and go on by themselves once it is back; bring that part back first.",
            ),
            (
                Query(or_else("max(rag_source_connected)", 0), "stream"),
                Query(or_else("min(rag_broker_up)", 0), "broker"),
                Query(or_else("min(rag_store_up)", 0), "store"),
            ),
            Limits(warn=1, bad=0.5),
            states=((0, "down"), (1, "up")),
            width=8,
            height=5,
        ),
        Panel(
            Kind.STAT,
            "Last write to the index",
            "s",
            Advice(
                "Time since anything was written to the index.",
                "seconds while the stream is busy; grows at night on a quiet wiki.",
                "above 300 s while the producer sends, IngestStale fires: open Pipeline.",
            ),
            (Query(age("rag_index_last_write_timestamp_seconds"), "age"),),
            Limits(warn=120, bad=300),
            width=4,
            height=5,
        ),
        Panel(
            Kind.STAT,
            "Events not yet read",
            "short",
            Advice(
                "Consumer lag over all partitions.",
                "near 0; a burst is read within seconds.",
                "if it grows, the processor is too slow or stands: open Pipeline.",
            ),
            (Query(or_else("sum(rag_consumer_lag_messages)", 0), "lag"),),
            Limits(warn=500, bad=1000),
            width=4,
            height=5,
        ),
        Panel(
            Kind.TIMESERIES,
            "Questions by outcome",
            "reqps",
            Advice(
                "Questions a second by how they ended.",
                "answered and no_context; degraded means quotes because the model was away.",
                "error: open Ask path. Much no_context: retrieval finds nothing, see there too.",
            ),
            (Query(rate_or_zero(_ALL, "outcome"), "{{outcome}}"),),
            stacked=True,
            width=12,
        ),
        Panel(
            Kind.TIMESERIES,
            "Documents in the index",
            "short",
            Advice(
                "Live documents and their chunks in the store.",
                "grows or stands, falls by retention in small steps.",
                "a sudden fall is lost data or a store swapped for another: check the store's log.",
            ),
            (
                Query(or_else("max(rag_index_documents)", 0), "documents"),
                Query(or_else("max(rag_index_chunks)", 0), "chunks"),
            ),
            width=12,
        ),
    ),
)

OVERVIEW = Board(
    "live-rag-overview",
    "Live RAG: Overview and SLOs",
    "Are the promises kept: answers without error, in time, and about what has just been edited?",
    (_PROMISES, _ASKS, _PARTS),
)
