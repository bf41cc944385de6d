"""Processes, dependencies, index."""

from __future__ import annotations

from deploy.dashboards.model import Advice, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import age, or_else, rate_or_zero

PARTS = Row(
    "Parts",
    (
        Panel(
            Kind.STAT,
            "Processes",
            "short",
            Advice(
                "Whether Prometheus reaches each process that it scrapes.",
                "all up.",
                "the process is dead or its port is blocked: ./logs.sh SERVICE; ServiceDown, TargetDown.",
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
                "bring it back; services go on by themselves. SourceDisconnected, BrokerDown, StoreDown.",
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
            (Query(or_else("rag:consumer_lag:sum", 0), "lag"),),
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
            (Query(rate_or_zero("rag_requests_total", "outcome"), "{{outcome}}"),),
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
