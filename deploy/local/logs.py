"""Show the logs of the local stack."""

from __future__ import annotations

import os

from deploy.local.configuration import Stack
from deploy.local.summary import display_path
from shared.errors import ConfigurationError


def list_logs(stack: Stack) -> str:
    """One line for each service that has logged.

    :raises ConfigurationError: none has.
    """
    names = _names(stack)
    return "\n".join(f"{name:<12} {display_path(stack.log_file(name))}" for name in names)


def show_log(stack: Stack, service: str, lines: int, *, follow: bool) -> None:
    """Become ``tail``; does not return.

    :raises ConfigurationError: there is no such log.
    """
    names = _names(stack)
    if service not in names:
        raise ConfigurationError(f"no log of {service!r}; there are {', '.join(names)}")
    # -F goes on with the new file when supervisord rotates the log.
    command = ["tail", "-n", str(lines), *(["-F"] if follow else []), str(stack.log_file(service))]
    os.execvp("tail", command)  # noqa: S606, S607 - the user's own tail


def _names(stack: Stack) -> list[str]:
    names = sorted(path.stem for path in stack.logs_dir.glob("*.log"))
    if not names:
        raise ConfigurationError(f"no logs in {display_path(stack.logs_dir)}; ./start.sh starts the stack")
    return names
