"""Docker Compose, as the plugin ``docker compose`` or as the program ``docker-compose``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from deploy.docker.engine import NoContainers, StackFailed, run_command, version_tuple
from deploy.paths import ROOT

NEEDED_VERSION = "2.24.0"
"""The first in which an ``env_file`` may be missing."""


@dataclass(frozen=True)
class ComposeProgram:
    command: tuple[str, ...]
    version: str


def find_compose() -> ComposeProgram:
    """:raises NoContainers: there is none, or only an old one."""
    found: list[ComposeProgram] = []
    for command in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(command[0]) is None:
            continue
        try:
            version = run_command([*command, "version", "--short"], timeout=20).strip()
        except StackFailed:
            continue  # docker without the plugin
        found.append(ComposeProgram(command, version))
        if version_tuple(version) >= version_tuple(NEEDED_VERSION):
            return found[-1]
    if found:
        raise NoContainers(
            f"Compose {found[0].version} is too old, {NEEDED_VERSION} or newer is needed",
            "update docker-compose-plugin",
        )
    raise NoContainers(
        "neither 'docker compose' nor docker-compose is there", "install docker-compose-plugin"
    )


@dataclass(frozen=True)
class Compose:
    """One project: its files, its environment files (a later one wins), and the variables that win over
    these. ``profiles`` are named in ``variables`` as ``COMPOSE_PROFILES``."""

    program: ComposeProgram
    files: Sequence[Path]
    env_files: Sequence[Path]
    variables: Mapping[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        return [
            *self.program.command,
            "--project-directory",
            ROOT.as_posix(),
            *(part for path in self.files for part in ("--file", path.as_posix())),
            *(part for path in self.env_files if path.exists() for part in ("--env-file", path.as_posix())),
            *arguments,
        ]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.variables}

    def run(self, *arguments: str, timeout: float = 120, stdin: str | None = None) -> str:
        """:raises StackFailed: with the end of what Compose said."""
        return run_command(
            self.command(*arguments), timeout=timeout, stdin=stdin, environment=self.environment
        )

    def spawn(self, *arguments: str, output: TextIO | int) -> subprocess.Popen[str]:
        """A command that runs beside the caller; both of its streams go to ``output``."""
        return subprocess.Popen(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=self.environment,
        )

    def model(self) -> dict[str, Any]:
        """The project as Compose understands it, profiles applied.

        :raises StackFailed: it does not; Compose's own words."""
        parsed: dict[str, Any] = json.loads(self.run("config", "--format", "json"))
        return parsed

    def hashes(self) -> dict[str, str]:
        """Service → hash of its configuration, as its containers carry it."""
        lines = self.run("config", "--hash", "*").splitlines()
        return dict(line.split(maxsplit=1) for line in lines if line.strip())
