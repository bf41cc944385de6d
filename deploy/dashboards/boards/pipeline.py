"""An edit's way: stream, producer, Kafka, processor, store."""

from __future__ import annotations

from deploy.dashboards.model import RANGE, Advice, Board, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import age, increase, mean, or_else, quantile, rate, rate_or_zero, share

_SENT = "messaging_client_sent_messages_total"
_CONSUMED = "messaging_client_consumed_messages_total"
_FRESHNESS = "rag_ingest_end_to_end_seconds"
_LAG = "rag_consumer_lag_messages"

_WHOLE = Row(
    "The whole way",
    (
        Panel(
            Kind.STAT,
            "Newest event of the stream",
            "s",
            Advice(
                "Age of the newest event that the producer has read, by the source's own clock.",
                "a second or two on a busy wiki.",
                "grows: the stream is silent or cut; see connection and reconnects.",
            ),
            (Query(age("rag_source_last_event_timestamp_seconds"), "age"),),
            Limits(warn=60, bad=300),
            width=4,
            height=4,
        ),
        Panel(
            Kind.STAT,
            "Last write to the index",
            "s",
            Advice(
                "Time since anything was written to the index, by whichever process.",
                "seconds while edits arrive.",
                "above 300 s while the producer sends: IngestStale. Follow the panels from left to right.",
            ),
            (Query(age("rag_index_last_write_timestamp_seconds"), "age"),),
            Limits(warn=120, bad=300),
            width=4,
            height=4,
        ),
        Panel(
            Kind.STAT,
            "Events not yet read",
            "short",
            Advice(
                "Consumer lag over all partitions.",
                "near 0.",
                "grows: too slow or standing. Falls: a backlog is being read, see the time it takes.",
            ),
            (Query(or_else(f"sum({_LAG})", 0), "lag"),),
            Limits(warn=500, bad=1000),
            width=4,
            height=4,
        ),
        Panel(
            Kind.STAT,
            "Time to read the backlog (5 minutes)",
            "s",
            Advice(
                "Events not yet read by the rate at which they are being read.",
                "seconds.",
                "hours: add a processor, they share the partitions; a standing processor shows its lag "
                "times ten.",
            ),
            (
                Query(
                    or_else(f"sum({_LAG}) / clamp_min({rate(_CONSUMED, window='5m')}, 0.1)", 0),
                    "time",
                ),
            ),
            Limits(warn=300, bad=3600),
            width=4,
            height=4,
        ),
        Panel(
            Kind.STAT,
            "Intake",
            "short",
            Advice(
                "Whether the processor takes in records. Held: a dependency is away. Ended: too many dead "
                "letters.",
                "running.",
                "held: bring store or broker back, it goes on by itself. Ended: IngestHalted, read the "
                "dead letters.",
            ),
            (Query(or_else("max(rag_ingest_blocked) + max(rag_dlq_halted)", 0), "intake"),),
            Limits(warn=1, bad=2),
            states=((0, "running"), (1, "held"), (2, "ended")),
            width=4,
            height=4,
        ),
        Panel(
            Kind.STAT,
            "Must stay 0",
            "short",
            Advice(
                "Times that the stream no longer knew our position, and that the store lost what was "
                "written, "
                "over the range shown.",
                "0.",
                "events may have been skipped, or were written again: the services' logs name the range.",
            ),
            (
                Query(
                    or_else(f"sum(increase(rag_source_stale_cursors_total[{RANGE}]))", 0), "positions lost"
                ),
                Query(or_else(f"sum(increase(rag_store_writes_lost_total[{RANGE}]))", 0), "writes lost"),
            ),
            Limits(warn=0.5, bad=1),
            width=4,
            height=4,
            decimals=0,
        ),
        Panel(
            Kind.TIMESERIES,
            "In and out",
            "ops",
            Advice(
                "Events a second at each station: read from the stream, sent to Kafka, read from it, "
                "indexed.",
                "the lines follow each other; sent is less than read by what is no document.",
                "where two lines part, there is the fault.",
            ),
            (
                Query(rate_or_zero("rag_source_events_total"), "read from the stream"),
                Query(rate_or_zero(_SENT), "sent to Kafka"),
                Query(rate_or_zero(_CONSUMED), "read from Kafka"),
                Query(rate_or_zero("rag_ingest_documents_total", where='result="indexed"'), "indexed"),
            ),
            width=12,
        ),
        Panel(
            Kind.TIMESERIES,
            "From edit to searchable, by source",
            "s",
            Advice(
                "Freshness at p95: from the event's time at its source until a search finds it; dots lead "
                "to traces.",
                "a few seconds; 0 while nothing comes from that source.",
                "a dot's trace shows whether the fetch, the wait in Kafka or the batch took the time.",
            ),
            (Query(quantile(0.95, _FRESHNESS, "source"), "{{source}}", exemplars=True),),
            Limits(warn=10, bad=30),
            width=12,
        ),
    ),
)

_PRODUCER = Row(
    "Stream and producer",
    (
        Panel(
            Kind.STAT,
            "Connection to the stream",
            "short",
            Advice(
                "Whether the producer is connected to its source.",
                "connected; for moments not, when the source closes the stream, as Wikimedia does every 15 "
                "minutes.",
                "not for minutes: network, or the source is down. Nothing is lost: it resumes where it was.",
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
                "failures: the wiki refuses (rate limit, or it is down), see the producer's log.",
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

_KAFKA = Row(
    "Kafka",
    (
        Panel(
            Kind.TIMESERIES,
            "Lag by partition",
            "short",
            Advice(
                "Events not yet read, by partition, as the consumer itself knows it.",
                "near 0, alike over partitions.",
                "one alone: its record is poison or slow, or nobody holds the partition.",
            ),
            (Query(or_else(f"sum by (topic, partition) ({_LAG})", 0), "{{topic}}/{{partition}}"),),
            Limits(warn=500, bad=1000),
        ),
        Panel(
            Kind.TIMESERIES,
            "Broker calls, p95",
            "s",
            Advice(
                "p95 from handing over to the broker's acknowledgement: sending, and committing offsets.",
                "below 0.1 s.",
                "above 1 s: the broker's disk, or its CPU.",
            ),
            (
                Query(
                    quantile(0.95, "messaging_client_operation_duration_seconds", "messaging_operation_name"),
                    "{{messaging_operation_name}}",
                ),
            ),
            Limits(warn=0.5, bad=2),
        ),
        Panel(
            Kind.TIMESERIES,
            "Rebalances",
            "ops",
            Advice(
                "Partitions given to and taken from processors.",
                "only when a processor starts or stops.",
                "again and again, or lost: batches last longer than the broker waits, or processors die.",
            ),
            (Query(rate_or_zero("rag_consumer_rebalances_total", "event"), "{{event}}"),),
            Limits(warn=0.05, bad=0.2),
        ),
        Panel(
            Kind.TIMESERIES,
            "Partitions held",
            "short",
            Advice(
                "Partitions held by all processors together.",
                "the topic's number, KAFKA_PARTITIONS.",
                "fewer: nobody reads some of them. 0: no processor is in the group.",
            ),
            (Query(or_else("sum(rag_consumer_assigned_partitions)", 0), "held"),),
            Limits(warn=1, bad=0.5),
            width=12,
        ),
        Panel(
            Kind.TIMESERIES,
            "Broker reachable",
            "short",
            Advice(
                "Whether the broker answers each service that needs it.",
                "1.",
                "0: services wait and go on by themselves; bring the broker back.",
            ),
            (Query(or_else("min by (job) (rag_broker_up)", 0), "{{job}}"),),
            Limits(warn=1, bad=0.5),
            top=1,
            width=12,
        ),
    ),
)

_PROCESSOR = Row(
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
                "The share of records read from Kafka that were dead letters.",
                "0.",
                "above 5 %: a source changed its form. Beyond DLQ_MAX_SHARE the intake ends by itself.",
            ),
            (
                Query(
                    share(
                        rate("rag_dlq_messages_total", where='job="processor"', window="10m"),
                        rate(_CONSUMED, window="10m"),
                        0,
                    ),
                    "share",
                ),
            ),
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

PIPELINE = Board(
    "live-rag-pipeline",
    "Live RAG: Pipeline",
    "From the edit to the index: stream, producer, Kafka, processor, store.",
    (_WHOLE, _PRODUCER, _KAFKA, _PROCESSOR),
)
