"""The broker, and who reads what."""

from __future__ import annotations

from deploy.dashboards.model import Advice, Kind, Limits, Panel, Query, Row
from deploy.dashboards.promql import or_else, quantile, rate_or_zero

_LAG = "rag_consumer_lag_messages"

KAFKA = Row(
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
            (Query(or_else(f"max by (topic, partition) ({_LAG})", 0), "{{topic}}/{{partition}}"),),
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
                "RebalanceStorm: batches last longer than the broker waits, or processors die.",
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
                "fewer: nobody reads some of them. 0: NoPartitionsAssigned.",
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
                "0: BrokerDown. Services wait and go on by themselves; bring the broker back.",
            ),
            (Query(or_else("min by (job) (rag_broker_up)", 0), "{{job}}"),),
            Limits(warn=1, bad=0.5),
            top=1,
            width=12,
        ),
    ),
)
