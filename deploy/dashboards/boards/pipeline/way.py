"""From the stream to the index, at a glance."""

from __future__ import annotations

from deploy.dashboards.model import RANGE, Advice, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import age, or_else, quantile, rate, rate_or_zero

_SENT = "messaging_client_sent_messages_total"
_CONSUMED = "messaging_client_consumed_messages_total"
_FRESHNESS = "rag_ingest_end_to_end_seconds"

WAY = Row(
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
                "grows: ConsumerLagGrowing, ConsumerStuck. Falls: a backlog is being read, see the time "
                "it takes.",
            ),
            (Query(or_else("rag:consumer_lag:sum", 0), "lag"),),
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
                    or_else(f"rag:consumer_lag:sum / clamp_min({rate(_CONSUMED, window='5m')}, 0.1)", 0),
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
                "held: bring store or broker back, it goes on by itself. Ended: ProcessorHalted, read the "
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
                "written, over the range shown.",
                "0.",
                "SourceEventsSkipped: some were missed. StoreWritesLost: written again by itself, see why.",
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
