"""Show the logs of the local stack."""

from __future__ import annotations

import os

from deploy.local.configuration import Stack, service_of
from deploy.local.facts import read_facts
from deploy.paths import display_path
from shared.errors import ConfigurationError


def list_logs(stack: Stack) -> str:
    """One line for each service that has logged.

    :raises ConfigurationError: none has.
    """
    names = _names(stack)
    return "\n".join(f"{name:<12} {display_path(stack.log_file(name))}" for name in names)


def show_log(stack: Stack, service: str, lines: int, *, follow: bool) -> None:
    """Become ``tail``; does not return. The name of a service that runs several times means all of them.

    :raises ConfigurationError: there is no such log.
    """
    names = _names(stack)
    meant = [name for name in names if service in (name, service_of(name))]
    if not meant:
        raise ConfigurationError(f"no log of {service!r}; there are {', '.join(names)}")
    # -F goes on with the new file when supervisord rotates the log.
    files = [str(stack.log_file(name)) for name in meant]
    command = ["tail", "-n", str(lines), *(["-F"] if follow else []), *files]
    os.execvp("tail", command)  # noqa: S606, S607 - the user's own tail


def _names(stack: Stack) -> list[str]:
    """Of a running stack, without what an earlier one with more processors has left."""
    names = sorted(path.stem for path in stack.logs_dir.glob("*.log"))
    facts = read_facts(stack)
    if facts is not None:
        names = [name for name in names if service_of(name) == name or name in facts["ports"]]
    if not names:
        raise ConfigurationError(f"no logs in {display_path(stack.logs_dir)}; ./start.sh starts the stack")
    return names
