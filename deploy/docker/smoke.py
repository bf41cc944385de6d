"""The running stack in containers, as the smoke test wants it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from deploy.api_key import read_api_key
from deploy.docker.endpoints import PORTS, fetch_inside
from deploy.docker.layout import Layout
from deploy.docker.project import Project, read_json
from deploy.docker.stop import remembered_project
from deploy.smoke.checks import CheckFailed, Target


def docker_target(layout: Layout) -> Target | None:
    """``None``: none runs."""
    facts = read_json(layout.facts)
    project = remembered_project(layout)
    containers = project.containers()
    if not facts or not containers:
        return None
    return Target(
        api_url=facts["urls"]["api"],
        key=read_api_key(Path(facts["key_file"])),
        processes={
            found.label: partial(fetch_inside, found) for found in containers if found.service in PORTS
        },
        prometheus=facts["urls"].get("prometheus"),
        further=[("every container is well", partial(_are_well, project, facts["services"]))],
    )


def _are_well(project: Project, services: list[str]) -> str:
    containers = project.containers()
    missing = sorted(set(services) - {found.service for found in containers})
    unwell = [f"{found.label}: {found.description}" for found in containers if found.verdict != "ready"]
    if missing or unwell:
        raise CheckFailed("; ".join([*unwell, *(f"{name}: no container" for name in missing)]))
    return f"{len(containers)} containers"
