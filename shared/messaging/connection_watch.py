"""Whether the broker answers, as a Kafka client knows without asking it."""

from __future__ import annotations

import json
from typing import Any

from shared.observability.metrics import BrokerMetrics

_EVERY_MS = 5_000


def connection_watch(metrics: BrokerMetrics) -> dict[str, Any]:
    """Configuration for a client that always has something to ask, as a consumer does: the connections of one
    that is idle are closed, and nothing is wrong."""

    def look(statistics: str) -> None:
        brokers = json.loads(statistics)["brokers"].values()
        metrics.up.set(any(broker["state"] == "UP" for broker in brokers))

    return {"statistics.interval.ms": _EVERY_MS, "stats_cb": look}
