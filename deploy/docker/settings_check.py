"""Ask our own images whether the settings are valid, and which stream can be reached."""

from __future__ import annotations

import json
from pathlib import Path

from deploy.docker.engine import StackFailed
from deploy.docker.project import Project
from shared.errors import ConfigurationError

_PROGRAM = Path(__file__).parent / "inside" / "check_settings.py"
_SECONDS = 180
_SERVICES = ("producer", "processor", "api")


def check_settings(project: Project) -> tuple[str, str]:
    """The source to read and why, once every service's settings are found to be valid.

    Each is asked in a container of its own image, with exactly the environment that it will have.

    :raises ConfigurationError: a line for each wrong setting.
    :raises StackFailed: an image cannot be run."""
    program = _PROGRAM.read_text(encoding="utf-8")
    problems: dict[str, None] = {}
    source, why = "wikimedia", ""
    for service in _SERVICES:
        command = ("run", "--rm", "--no-deps", "-T", "--entrypoint", "python", service, "-", service)
        output = project.compose.run("--progress", "quiet", *command, stdin=program, timeout=_SECONDS)
        try:
            report = json.loads(output.strip().splitlines()[-1])
        except (ValueError, IndexError):
            raise StackFailed(
                f"{service}: its image does not say whether its settings are valid: {output!r}"
            ) from None
        problems.update(dict.fromkeys(report["problems"]))
        if report["source"]:
            source, why = report["source"], report["why"]
    if problems:
        raise ConfigurationError("\n".join(problems))
    return source, why
