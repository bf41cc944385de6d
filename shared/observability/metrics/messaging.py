"""Records on their way to and from Kafka."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from shared.errors import InvalidReason
from shared.observability.metrics import buckets
from shared.observability.metrics.declaration import (
    DeclaredCounter,
    DeclaredHistogram,
    DeclaredOptionalGauge,
    Label,
    MetricGroup,
)

REBALANCE_EVENTS = ("assigned", "revoked", "lost")


class ClientMetrics(MetricGroup):
    operation_duration = DeclaredHistogram(
        "messaging_client_operation_duration_seconds",
        "From handing a document event over to the broker's acknowledgement (send), or from asking for a"
        " commit of offsets to its confirmation (commit); those that succeeded.",
        "seconds",
        (Label("messaging_operation_name", ("send", "commit")),),
        buckets=buckets.MESSAGING,
    )


class SendingMetrics(MetricGroup):
    sent = DeclaredCounter(
        "messaging_client_sent_messages_total", "Document events that the broker acknowledged.", "records"
    )


class BrokerMetrics(MetricGroup):
    up = DeclaredOptionalGauge(
        "rag_broker_up",
        "1 while the broker answers this process, 0 while it does not. The producer asks it every 3 s; the"
        " processor's consumer looks at its connections every 5 s.",
        "",
        absent="until that is known",
    )


class ConsumerMetrics(MetricGroup):
    rebalances = DeclaredCounter(
        "rag_consumer_rebalances_total",
        "Times that partitions came to this process, were given up, or were lost without notice.",
        "times",
        (Label("event", REBALANCE_EVENTS),),
    )

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.broker = BrokerMetrics(registry)


class DeadLetterMetrics(MetricGroup):
    letters = DeclaredCounter(
        "rag_dlq_messages_total",
        "Records sent to the dead letter topic, or too large even for that.",
        "records",
        (Label("reason", tuple(reason.value for reason in InvalidReason)),),
    )
