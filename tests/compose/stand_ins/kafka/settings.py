"""The settings of Apache Kafka that the stand-in heeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class UnusableSettings(Exception):
    """Names the setting and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """``listen`` and ``advertised`` as ``HOST:PORT``. ``log_dir``: the folder for everything that is kept."""

    cluster_id: str
    listen: str
    advertised: str
    log_dir: Path

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> BrokerSettings:
        """:raises UnusableSettings: one is missing, or asks for what the stand-in cannot do."""
        controllers = set(_required(environment, "KAFKA_CONTROLLER_LISTENER_NAMES").split(","))
        listeners = _by_name(_required(environment, "KAFKA_LISTENERS"))
        client = {name: address for name, address in listeners.items() if name not in controllers}
        if len(client) != 1:
            raise UnusableSettings(
                f"KAFKA_LISTENERS: the stand-in has one listener for clients, not {len(client)}"
            )
        ((name, address),) = client.items()
        host, _, port = address.rpartition(":")
        advertised = _by_name(_required(environment, "KAFKA_ADVERTISED_LISTENERS"))
        if name not in advertised:
            raise UnusableSettings(f"KAFKA_ADVERTISED_LISTENERS does not name {name}")
        return cls(
            cluster_id=_required(environment, "CLUSTER_ID"),
            listen=f"{host or '0.0.0.0'}:{port}",
            advertised=advertised[name],
            # The default of Kafka: a stack that does not set it loses its data with the container.
            log_dir=Path(environment.get("KAFKA_LOG_DIRS", "/tmp/kraft-combined-logs")),
        )


def _required(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise UnusableSettings(f"{name} is not set: with any KAFKA_ setting the image's defaults are gone")
    return environment[name]


def _by_name(listeners: str) -> dict[str, str]:
    """``NAME://HOST:PORT,…``."""
    pairs = (listener.partition("://") for listener in listeners.split(","))
    return {name: address for name, _, address in pairs}
