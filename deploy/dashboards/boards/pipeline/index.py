"""The processor and what it leaves in the index."""

from __future__ import annotations

from deploy.dashboards.model import Advice, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import age, increase, mean, or_else, quantile, rate_or_zero

INDEX = Row(
    "Processor and index",
    (
        Panel(
            Kind.TIMESERIES,
            "What became of records",
            "ops",
            Advice(
                "Records a second by result. duplicate and stale: known already, harmless.",
                "mostly indexed.",
                "invalid: see dead letters. Only duplicates: a backlog is read once more.",
            ),
            (Query(rate_or_zero("rag_ingest_documents_total", "result"), "{{result}}"),),
            stacked=True,
        ),
        Panel(
            Kind.TIMESERIES,
            "Time of a batch",
            "s",
            Advice(
                "p50 and p95 of one batch, from the encoder to written; dots lead to traces.",
                "below 1 s.",
                "above 5 s: embedding lacks CPU, or the store is slow (Infrastructure).",
            ),
            (
                Query(quantile(0.5, "messaging_process_duration_seconds"), "p50"),
                Query(quantile(0.95, "messaging_process_duration_seconds"), "p95", exemplars=True),
            ),
            Limits(warn=2, bad=10),
        ),
        Panel(
            Kind.TIMESERIES,
            "Chunks in one embedding call, and reused",
            "short",
            Advice(
                "The processor's mean batch, and chunks a second whose text had not changed and was not "
                "embedded again.",
                "batches grow with load; reuse is high on wikis with small edits.",
                "small batches under load: see Embedding on LLM.",
            ),
            (
                Query(mean("rag_embedding_batch_size", where='job="processor"'), "chunks in a call"),
                Query(rate_or_zero("rag_chunks_reused_total"), "reused a second"),
            ),
        ),
        Panel(
            Kind.TIMESERIES,
            "Batches held back",
            "ops",
            Advice(
                "Batches tried again because store or broker was away.",
                "none.",
                "bring the dependency back; nothing is lost or acknowledged meanwhile.",
            ),
            (Query(rate_or_zero("rag_ingest_retries_total"), "held back"),),
            Limits(warn=0.01, bad=0.1),
        ),
        Panel(
            Kind.TIMESERIES,
            "Dead letters among records read (10 minutes)",
            "percentunit",
            Advice(
                "The share of records that could not be read, of those that each service read.",
                "0.",
                "above 5 %: DeadLetterFlood, a source changed its form. Beyond DLQ_MAX_SHARE the intake "
                "ends.",
            ),
            (Query(or_else("rag:dead_letters:ratio_rate10m", 0), "{{job}}"),),
            Limits(warn=0.01, bad=0.05),
        ),
        Panel(
            Kind.TIMESERIES,
            "Since the last write, by source",
            "s",
            Advice(
                "Time since the processor last wrote something of each source.",
                "seconds for wikimedia while edits arrive; api only when somebody pushes.",
                "grows for one source alone: that source, not the processor.",
            ),
            (Query(age("rag_last_indexed_timestamp_seconds", "source"), "{{source}}"),),
            Limits(warn=120, bad=300),
        ),
        Panel(
            Kind.TIMESERIES,
            "Index",
            "short",
            Advice(
                "Live documents, their chunks, and deletes that are remembered.",
                "grows or stands; retention keeps it within MAX_AGE and MAX_CHUNKS.",
                "a sudden fall is lost data or another store.",
            ),
            (
                Query(or_else("max(rag_index_documents)", 0), "documents"),
                Query(or_else("max(rag_index_chunks)", 0), "chunks"),
                Query(or_else("max(rag_index_tombstones)", 0), "deletes remembered"),
            ),
            width=12,
        ),
        Panel(
            Kind.TIMESERIES,
            "Removed by retention",
            "short",
            Advice(
                "Documents purged and remembered deletes that expired, in each interval.",
                "0 without MAX_AGE and MAX_CHUNKS; else about as many as are added.",
                "a large step after a change of settings is what was asked for.",
            ),
            (Query(increase("rag_retention_removed_total", "kind"), "{{kind}}"),),
            width=12,
        ),
    ),
)
