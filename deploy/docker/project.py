"""One stack in containers: its settings, its files, and the Compose that knows them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deploy.docker.compose import Compose, ComposeProgram
from deploy.docker.containers import Container, container_from_inspect
from deploy.docker.engine import StackFailed, inspect_containers, project_objects, run_command
from deploy.docker.layout import COMPOSE_FILE, DOTENV, Layout
from deploy.paths import ROOT

LITE_ENV = ROOT / "deploy" / "docker" / "lite.env"


@dataclass(frozen=True)
class Project:
    """``name`` is Compose's for it, which every object of it carries as a label."""

    layout: Layout
    compose: Compose
    name: str

    def with_variables(self, variables: Mapping[str, str]) -> Project:
        """These win over every file."""
        return replace(self, compose=replace(self.compose, variables={**self.compose.variables, **variables}))

    def containers(self) -> list[Container]:
        """All that exist, in the order of their services' names and numbers."""
        ids = project_objects("container", self.name, "label=com.docker.compose.oneoff=False")
        found = [container_from_inspect(raw) for raw in inspect_containers(ids)]
        return sorted(found, key=lambda container: (container.service, container.number))

    def last_exit_code(self, container: Container) -> int | None:
        """Of a container that is started again and again; ``None`` where it cannot be told any more. While it
        runs, its state does not say: the engine's events do, for as long as it remembers them."""
        if not container.running:
            return container.exit_code
        filters = ["--filter", f"container={container.id}", "--filter", "event=die"]
        window = ["--since", "10m", "--until", "0s"]
        template = "{{.Actor.Attributes.exitCode}}"
        try:
            codes = run_command(["docker", "events", *window, *filters, "--format", template]).split()
        except StackFailed:
            return None
        return int(codes[-1]) if codes else None

    def log_tail(self, container: Container, lines: int) -> list[str]:
        """The last lines that a container has logged."""
        command = ["docker", "logs", "--tail", str(lines), container.id]
        try:
            return run_command(command, both_streams=True).splitlines()
        except StackFailed as error:
            return [f"(its log cannot be read: {error})"]


def open_compose(
    program: ComposeProgram,
    layout: Layout,
    overrides: Sequence[Path],
    *,
    lite: bool,
    variables: Mapping[str, str] | None = None,
) -> Compose:
    """Small limits first, so that the user's ``.env`` wins over them; what is generated wins over that."""
    env_files = [*([LITE_ENV] if lite else []), DOTENV, layout.stack_env]
    return Compose(program, [COMPOSE_FILE, *overrides], env_files, variables or {})


def write_json(path: Path, value: Any) -> None:
    """In one step, so that a reader sees the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Nothing where there is no such file."""
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return value
