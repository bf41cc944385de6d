"""Show the logs of the stack in containers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from deploy.docker.containers import Container
from deploy.docker.project import Project
from shared.errors import ConfigurationError


def list_logs(project: Project) -> str:
    """One line for each container.

    :raises ConfigurationError: there are none."""
    return "\n".join(
        f"{found.label:<16} {found.name:<32} {found.description}" for found in _existing(project)
    )


def show_log(project: Project, service: str, lines: int, *, follow: bool) -> int:
    """Hand over to Compose. The name of a service that runs several times means all of them.

    :raises ConfigurationError: there is no such log."""
    command = project.compose.command(*logs_arguments(_existing(project), service, lines, follow=follow))
    if os.name == "posix":
        sys.stdout.flush()
        os.execvpe(command[0], command, project.compose.environment)  # noqa: S606 - the user's own docker
    return subprocess.run(command, env=project.compose.environment, check=False).returncode


def logs_arguments(containers: Sequence[Container], service: str, lines: int, *, follow: bool) -> list[str]:
    """Of ``compose logs``.

    :raises ConfigurationError: no container is called so."""
    following = ["--follow"] if follow else []
    arguments = ["logs", "--tail", str(lines), *following]
    if any(found.service == service for found in containers):
        return [*arguments, service]
    for found in containers:
        if found.label == service:
            return [*arguments, "--index", str(found.number), found.service]
    names = ", ".join(found.label for found in containers)
    raise ConfigurationError(f"no log of {service!r}; there are {names}")


def _existing(project: Project) -> list[Container]:
    containers = project.containers()
    if not containers:
        raise ConfigurationError("there are no containers; ./start.sh starts the stack")
    return containers
