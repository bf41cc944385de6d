"""What would stop the stack, found before anything starts; one line for each problem."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psutil

from shared.errors import RagError
from shared.settings import VectorStoreSettings

_LAST_PORT = 65_535
_FREE_BYTES_NEEDED = 500 * 1024**2


def port_problems(api_host: str, ports: Mapping[str, tuple[str, int]]) -> list[str]:
    """``ports`` as from ``Stack.ports``."""
    return range_problems(ports) or duplicate_port_problems(ports) or busy_port_problems(api_host, ports)


def scale_problems(processors: int, partitions: int) -> list[str]:
    """A processor without a partition would wait for one for ever."""
    if processors <= partitions:
        return []
    return [
        f"--scale processor={processors}: KAFKA_PARTITIONS={partitions} feeds at most {partitions};"
        f" give KAFKA_PARTITIONS={processors} or more"
    ]


def range_problems(ports: Mapping[str, tuple[str, int]]) -> list[str]:
    return [
        f"{setting}={port} ({name}): ports end at {_LAST_PORT}; choose a lower PROCESSOR_METRICS_PORT"
        for name, (setting, port) in ports.items()
        if port > _LAST_PORT
    ]


def data_dir_problems(data_dir: Path) -> list[str]:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data_dir):
            free = shutil.disk_usage(data_dir).free
    except OSError as error:
        return [f"DATA_DIR={data_dir}: cannot write there ({error.strerror})"]
    if free < _FREE_BYTES_NEEDED:
        return [
            f"DATA_DIR={data_dir}: only {free // 1024**2} MB free, {_FREE_BYTES_NEEDED // 1024**2} MB needed"
        ]
    return []


def store_problems(settings: VectorStoreSettings) -> list[str]:
    """The services would wait for a server that does not answer, which nobody here starts."""
    if settings.vector_store == "redis":
        from shared.vector_store.redis_store.store import connect

        try:
            connect(settings).close()
        except RagError as error:
            return [str(error)]
    return []


def duplicate_port_problems(ports: Mapping[str, tuple[str, int]]) -> list[str]:
    by_port: dict[int, list[str]] = {}
    for setting, port in ports.values():
        by_port.setdefault(port, []).append(setting)
    return [
        f"port {port} is given to {' and '.join(settings)}: choose different ones"
        for port, settings in by_port.items()
        if len(settings) > 1
    ]


def busy_port_problems(api_host: str, ports: Mapping[str, tuple[str, int]]) -> list[str]:
    found = []
    for service, (setting, port) in ports.items():
        host = api_host if service == "api" else "127.0.0.1"
        error = _bind_error(host, port)
        if error is None:
            continue
        if error.errno == errno.EADDRINUSE:
            found.append(
                f"port {port} ({service}) is in use by {port_user(port)}: stop that, or set"
                f" {setting.partition('+')[0]}"
            )
        else:
            found.append(f"{setting}={host}:{port}: cannot listen there ({error.strerror})")
    return found


def _bind_error(host: str, port: int) -> OSError | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None


def port_user(port: int) -> str:
    """``pid 12 (command …)``, as far as the operating system tells us."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            if listens and connection.pid is not None:
                command = " ".join(psutil.Process(connection.pid).cmdline())
                return f"pid {connection.pid} ({shorten(command, 70)})"
    return f"a process that user {os.getuid()} may not see"


def shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
