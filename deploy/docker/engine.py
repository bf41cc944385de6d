"""The Docker engine, through its command line."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.errors import RagError

_PROBE_SECONDS = 20
_COMMAND_SECONDS = 120


class StackFailed(RagError):
    """The engine or a container did not do what was asked; the message is for the user."""


class NoContainers(StackFailed):
    """Containers cannot be run on this machine. The message has the cure, ``reason`` has not."""

    def __init__(self, reason: str, cure: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}: {cure}, or use ./start.sh --local")


@dataclass(frozen=True)
class EngineFacts:
    """``memory`` in bytes; ``root`` is where images lie, on the engine's machine."""

    version: str
    memory: int
    cores: int
    os_type: str
    root: str
    name: str


def run_docker(*arguments: str, timeout: float = _COMMAND_SECONDS) -> str:
    """The output of one command.

    :raises StackFailed: it failed, or took too long."""
    return run_command(["docker", *arguments], timeout=timeout)


def run_command(
    command: Sequence[str],
    *,
    timeout: float = _COMMAND_SECONDS,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
    both_streams: bool = False,
) -> str:
    """What the command says, with ``both_streams`` on standard error too.

    :raises StackFailed: it failed, or took too long; the message is the end of what it said."""
    try:
        result = subprocess.run(
            command,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if both_streams else subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            env=environment,
            check=False,
        )
    except FileNotFoundError:
        raise StackFailed(f"there is no program {command[0]!r} on the PATH") from None
    except subprocess.TimeoutExpired:
        raise StackFailed(f"'{' '.join(command[:3])} …' did not end within {timeout:g} s") from None
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip() or f"exit code {result.returncode}"
        raise StackFailed("\n".join(said.splitlines()[-5:]))
    return result.stdout


def find_engine() -> EngineFacts:
    """:raises NoContainers: there is no client, or no engine answers it."""
    if shutil.which("docker") is None:
        raise NoContainers("no program docker is on the PATH", "install Docker")
    try:
        client = json.loads(run_docker("version", "--format", "{{json .}}", timeout=_PROBE_SECONDS))
        info = json.loads(run_docker("info", "--format", "{{json .}}", timeout=_PROBE_SECONDS))
    except StackFailed as error:
        raise _no_answer(str(error)) from None
    server = client.get("Server") or {}
    if not server.get("Version") or not info.get("MemTotal"):
        raise _no_answer("; ".join(info.get("ServerErrors") or ["the engine does not say its version"]))
    return EngineFacts(
        version=server["Version"],
        memory=info["MemTotal"],
        cores=info.get("NCPU", 1),
        os_type=info.get("OSType", "linux"),
        root=info.get("DockerRootDir", ""),
        name=info.get("OperatingSystem", ""),
    )


def _no_answer(said: str) -> NoContainers:
    line = said.splitlines()[-1] if said else "no answer"
    if "permission denied" in line.lower():
        return NoContainers(
            f"this user may not talk to the Docker engine ({line})", "join the group docker, and log in again"
        )
    return NoContainers(f"no Docker engine answers ({line})", "start it")


def version_tuple(text: str) -> tuple[int, ...]:
    """``"v2.24.1-desktop.1"`` → ``(2, 24, 1)``."""
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text.strip())
    return tuple(int(part or 0) for part in match.groups()) if match else (0, 0, 0)


def image_ids(images: Sequence[str]) -> dict[str, str]:
    """Image → id, of those that the engine has."""
    found = {}
    for image in images:
        try:
            found[image] = run_docker("image", "inspect", "--format", "{{.Id}}", image).strip()
        except StackFailed as error:
            if "no such image" not in str(error).lower():
                raise
    return found


def project_objects(kind: str, project: str, *filters: str) -> list[str]:
    """Ids or names of a Compose project's containers (running or not), volumes or networks."""
    every = ("--all", "--no-trunc") if kind == "container" else ()
    chosen = (f"label=com.docker.compose.project={project}", *filters)
    return run_docker(kind, "ls", *every, "--quiet", *(f"--filter={each}" for each in chosen)).split()


def inspect_containers(ids: Sequence[str]) -> list[dict[str, Any]]:
    """What ``docker inspect`` says of each; one that has gone meanwhile is left out."""
    if not ids:
        return []
    try:
        found: list[dict[str, Any]] = json.loads(run_docker("container", "inspect", *ids))
    except StackFailed as error:
        if "no such container" not in str(error).lower():
            raise
        return [raw for one in ids for raw in inspect_containers([one])] if len(ids) > 1 else []
    return found
