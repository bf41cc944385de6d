"""Whether a broker listens, for readiness."""

from __future__ import annotations

import contextlib
import socket

_TIMEOUT_SECONDS = 0.5


def broker_listens(bootstrap_servers: str) -> bool:
    """Whether one of the addresses accepts a connection."""
    return any(_accepts(address.strip()) for address in bootstrap_servers.split(","))


def _accepts(address: str) -> bool:
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdigit():
        return False
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host.strip("[]"), int(port)), _TIMEOUT_SECONDS),
    ):
        return True
    return False
