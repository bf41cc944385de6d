"""Whether the engine has the memory that the stack needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deploy.docker.containers import memory_setting

_MIB = 1024**2


def needed_memory(model: Mapping[str, Any], scale: Mapping[str, int]) -> int:
    """Bytes that the services of ``model`` usually use: what each reserves, or its limit."""
    return sum(
        _service_memory(service) * scale.get(name, 1) for name, service in model.get("services", {}).items()
    )


def _service_memory(service: Mapping[str, Any]) -> int:
    resources = (service.get("deploy") or {}).get("resources") or {}
    given = (
        service.get("mem_reservation"),
        (resources.get("reservations") or {}).get("memory"),
        service.get("mem_limit"),
        (resources.get("limits") or {}).get("memory"),
    )
    return min((int(value) for value in given if value), default=0)


def limit_problems(model: Mapping[str, Any]) -> list[str]:
    """A line for each service that may have less than it usually needs, which the engine would refuse."""
    return [
        f"{memory_setting(name)}: {megabytes(int(service['mem_limit']))} is too little for {name}; it needs"
        f" {megabytes(int(service['mem_reservation']))} or more"
        for name, service in model.get("services", {}).items()
        if service.get("mem_limit")
        and service.get("mem_reservation")
        and int(service["mem_limit"]) < int(service["mem_reservation"])
    ]


def memory_problem(available: int, needed: int, *, lite: bool) -> str | None:
    """The line to show where the memory does not suffice."""
    if available >= needed:
        return None
    cure = "give it more (Docker Desktop: Settings, Resources)"
    if not lite:
        cure += ", or start with --profile lite"
    return (
        f"memory: the engine has {megabytes(available)}, the chosen services need {megabytes(needed)}; {cure}"
    )


def megabytes(count: int) -> str:
    return f"{count / _MIB:,.0f} MB"
