"""The ports that the stack publishes: are they free, and if not, who has them?"""

from __future__ import annotations

import errno
import json
import re
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.docker.engine import StackFailed, run_command, run_docker

SETTINGS = {
    "gateway": "API_PORT",
    "grafana": "GRAFANA_PORT",
    "prometheus": "PROMETHEUS_PORT",
    "jaeger": "JAEGER_PORT",
}
"""Service → the setting that names its published port."""

_LISTEN = "0A"
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - recognised, not bound


@dataclass(frozen=True)
class PublishedPort:
    service: str
    host: str
    port: int

    @property
    def setting(self) -> str:
        return SETTINGS.get(self.service, f"the ports of {self.service}")


def published_ports(model: Mapping[str, Any]) -> list[PublishedPort]:
    """Of ``compose config``; without those that the engine chooses itself."""
    return [
        PublishedPort(name, port.get("host_ip", ""), int(port["published"]))
        for name, service in model.get("services", {}).items()
        for port in service.get("ports") or []
        if str(port.get("published", "")).isdigit() and int(port["published"]) > 0
    ]


def port_problems(ports: list[PublishedPort], project: str) -> list[str]:
    """One line for each that cannot be had. Those of the stack itself count as free."""
    by_number: dict[int, list[PublishedPort]] = {}
    for port in ports:
        by_number.setdefault(port.port, []).append(port)
    problems = [
        f"port {number} is given to {' and '.join(port.setting for port in given)}: choose different ones"
        for number, given in by_number.items()
        if len(given) > 1
    ]
    if problems:
        return problems
    containers = container_ports()
    for port in ports:
        error = _bind_error(port)
        owner = containers.get(port.port)
        if owner is not None and owner[1] == project:
            continue
        if (error is not None and error.errno in (errno.EADDRINUSE, errno.EACCES)) or owner is not None:
            user = f"the container {owner[0]}" if owner else port_user(port.port)
            problems.append(
                f"port {port.port} ({port.service}) is in use by {user}: stop that, or set {port.setting}"
            )
        elif error is not None:
            problems.append(f"{port.setting}={port.host}:{port.port}: cannot listen there ({error.strerror})")
    return problems


def _bind_error(port: PublishedPort) -> OSError | None:
    host = "" if port.host in _EVERYWHERE else port.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if sys.platform != "win32":  # there it would let two programs share the port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port.port))
    except OSError as error:
        return error
    return None


def container_ports() -> dict[int, tuple[str, str]]:
    """Published port → the container that has it, and its Compose project (empty: none)."""
    found = {}
    template = (
        '{"name":{{json .Names}},"ports":{{json .Ports}},'
        '"project":{{json (.Label "com.docker.compose.project")}}}'
    )
    for line in run_docker("ps", "--format", template).splitlines():
        entry = json.loads(line)
        for number in parse_ports(entry["ports"]):
            found[number] = (entry["name"], entry["project"])
    return found


def parse_ports(text: str) -> set[int]:
    """``"127.0.0.1:3000-3001->80-81/tcp, 9/tcp"`` → ``{3000, 3001}``."""
    numbers: set[int] = set()
    for first, last in re.findall(r":(\d+)(?:-(\d+))?->", text):
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def port_user(port: int) -> str:
    """``pid 12 (command …)``, as far as the operating system tells."""
    try:
        owner = _linux_user(port) if Path("/proc/net/tcp").exists() else _user_by_tool(port)
    except (OSError, StackFailed):
        owner = None
    return owner or "a process of another user"


def _linux_user(port: int) -> str | None:
    wanted = {
        f"socket:[{inode}]"
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        if Path(table).exists()
        for inode in listening_inodes(Path(table).read_text(encoding="ascii"), port)
    }
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(link.readlink()) in wanted for link in (process / "fd").iterdir()):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                return f"pid {process.name} ({_shorten(command, 70)})"
        except OSError:  # another user's, or it has ended
            continue
    return None


def listening_inodes(table: str, port: int) -> list[str]:
    """Of the sockets that listen on ``port``, from the text of ``/proc/net/tcp``."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return [row[9] for row in rows if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port]


def _user_by_tool(port: int) -> str | None:
    if shutil.which("lsof"):
        fields = run_command(["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"], timeout=20)
        return parse_lsof(fields)
    if shutil.which("netstat"):  # Windows
        table = run_command(["netstat", "-ano", "-p", "TCP"], timeout=20)
        match = re.search(rf":{port}\s+\S+\s+\S+\s+(\d+)\s*$", table, re.MULTILINE)
        return f"pid {match[1]}" if match else None
    return None


def parse_lsof(fields: str) -> str | None:
    """``"p12\\ncnode\\n"`` → ``"pid 12 (node)"``."""
    values = {line[0]: line[1:] for line in reversed(fields.splitlines()) if line}
    return f"pid {values['p']} ({values.get('c', '?')})" if "p" in values else None


def _shorten(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"
