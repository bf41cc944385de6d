"""What the state of a container means. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

ONE_SHOT = ("kafka-topics",)
"""Services that do their work and end."""

_KILLED = 137

Verdict = Literal["ready", "waiting", "failed"]


@dataclass(frozen=True)
class Container:
    """One container of the stack. ``health`` is empty where it has no health check; ``exit_code`` is 0 while
    it runs; ``restarts`` counts those since it was made, however long ago."""

    id: str
    name: str
    service: str
    number: int
    state: str
    health: str
    exit_code: int
    restarts: int
    oom_killed: bool
    config_hash: str
    image_id: str

    @property
    def label(self) -> str:
        """As a user calls it: ``api``, ``processor-2``."""
        return self.service if self.number == 1 else f"{self.service}-{self.number}"

    @property
    def unhealthy(self) -> bool:
        """Whether its health check fails. The engine also calls one so that does not run."""
        return self.running and self.health == "unhealthy"

    @property
    def verdict(self) -> Verdict:
        if self.service in ONE_SHOT:
            if self.state != "exited":
                return "waiting"
            return "ready" if self.exit_code == 0 else "failed"
        if self.unhealthy or self.state in ("dead", "exited"):
            return "failed"
        if self.state == "running" and self.health in ("", "healthy"):
            return "ready"
        return "waiting"

    @property
    def description(self) -> str:
        if self.state == "running":
            health = "" if self.service in ONE_SHOT else self.health
            return {"": "running", "starting": "running, not healthy yet"}.get(health, health)
        if self.state == "exited":
            return "done" if self.service in ONE_SHOT and self.exit_code == 0 else explain_exit(self)
        return self.state

    @property
    def running(self) -> bool:
        return self.state == "running"


def explain_exit(container: Container) -> str:
    """How it ended, and what that usually means."""
    if container.exit_code == _KILLED or container.oom_killed:
        return (
            f"was killed (exit code {container.exit_code}): nearly always because it needed more memory than"
            f" its limit or the engine has; raise {memory_setting(container.service)} or the engine's memory,"
            " or start with --profile lite"
        )
    return f"ended with exit code {container.exit_code}"


def memory_setting(service: str) -> str:
    """The setting that limits a service's memory."""
    if service.endswith("-exporter"):
        return "EXPORTER_MEMORY"
    return f"{service.removesuffix('-gpu').removesuffix('-topics').upper().replace('-', '_')}_MEMORY"


def container_from_inspect(raw: Mapping[str, Any]) -> Container:
    """From one entry of ``docker container inspect``."""
    labels, state = raw["Config"].get("Labels") or {}, raw["State"]
    return Container(
        id=raw["Id"],
        name=raw["Name"].lstrip("/"),
        service=labels.get("com.docker.compose.service", ""),
        number=int(labels.get("com.docker.compose.container-number", 1)),
        state=state["Status"],
        health=(state.get("Health") or {}).get("Status", ""),
        exit_code=state.get("ExitCode", 0),
        restarts=raw.get("RestartCount", 0),
        oom_killed=bool(state.get("OOMKilled")),
        config_hash=labels.get("com.docker.compose.config-hash", ""),
        image_id=raw.get("Image", ""),
    )


@dataclass(frozen=True)
class Wanted:
    """The hash of each service's configuration, and the id of its image where the engine has it."""

    hashes: Mapping[str, str]
    images: Mapping[str, str]

    def outdated(self, container: Container) -> str | None:
        """Why Compose will replace it, if it will."""
        if container.config_hash != self.hashes.get(container.service):
            return "its settings changed"
        image = self.images.get(container.service)
        return "its image changed" if image is not None and container.image_id != image else None


@dataclass(frozen=True)
class Difference:
    """What a start would do to a stack that runs: services, each with why."""

    changed: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.changed)


def compare(containers: Iterable[Container], wanted: Wanted, scale: Mapping[str, int]) -> Difference:
    """``scale`` of the services that run more than once."""
    by_service: dict[str, list[Container]] = {}
    for container in containers:
        by_service.setdefault(container.service, []).append(container)
    changed = {}
    for service in wanted.hashes:
        reason = _reason(service, by_service.get(service, []), wanted, scale.get(service, 1))
        if reason:
            changed[service] = reason
    for service in sorted(by_service.keys() - wanted.hashes.keys()):
        changed[service] = "no longer part of the stack"
    return Difference(changed)


def _reason(service: str, containers: Sequence[Container], wanted: Wanted, count: int) -> str | None:
    if not containers:
        return "new"
    for container in containers:
        if reason := wanted.outdated(container):
            return reason
    if len(containers) != count:
        return f"{count} instead of {len(containers)}"
    if service not in ONE_SHOT and not all(container.running for container in containers):
        return "it was down"
    if any(container.verdict == "failed" for container in containers):
        return "it had failed"
    return None
