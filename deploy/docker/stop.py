"""Stop the stack in containers; remove its data if asked to."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.docker.compose import ComposeProgram, find_compose
from deploy.docker.engine import StackFailed, find_engine, project_objects, run_docker
from deploy.docker.layout import Layout
from deploy.docker.project import Project, open_compose, read_json
from deploy.env_file import read_settings
from deploy.paths import display_path
from shared.errors import ConfigurationError

_STOP_SECONDS = 300
DEFAULT_PROJECT = "live-rag"


def stop(layout: Layout, settings: Mapping[str, str], *, clean: bool, yes: bool) -> None:
    """:raises StackFailed: something does not stop.
    :raises ConfigurationError: removing data was not agreed to."""
    find_engine()
    name = project_name(layout, settings)
    if clean and not yes:
        _agree(layout, name)
    if project_objects("container", name):
        print("Stopping the containers; what is under way is finished first.", flush=True)
        _down(find_compose(), layout, name)
        volumes = len(project_objects("volume", name))
        print(f"Stopped ({display_path(layout.folder)}); its data stay in {volumes} volumes of Docker.")
    else:
        print(f"Nothing is running ({display_path(layout.folder)}).")
    layout.facts.unlink(missing_ok=True)
    if clean:
        _remove(layout, name)


def remembered_project(layout: Layout) -> Project:
    """With the files, the name and the profiles that the stack was started with."""
    facts = read_json(layout.facts)
    earlier = facts.get("options", {}).get("overrides", ())
    overrides = [path for text in earlier if (path := Path(text)).is_file()]
    name = project_name(layout, read_settings())
    compose = open_compose(
        find_compose(),
        layout,
        overrides,
        lite="lite" in facts.get("profiles", ()),
        variables={"COMPOSE_PROJECT_NAME": name},
    )
    return Project(layout, compose, name)


def project_name(layout: Layout, settings: Mapping[str, str]) -> str:
    """Compose's name for the stack."""
    given = read_json(layout.facts).get("project") or settings.get("COMPOSE_PROJECT_NAME")
    return given or DEFAULT_PROJECT


def _down(program: ComposeProgram, layout: Layout, name: str) -> None:
    """Without the override files, which may want variables that are no longer set; what they added is known
    by its label, and stops too."""
    compose = open_compose(program, layout, [], lite=False, variables={"COMPOSE_PROFILES": "*"})
    arguments = ("--progress", "plain", "--project-name", name, "down", "--remove-orphans")
    with compose.spawn(*arguments, output=subprocess.PIPE) as process:
        try:
            output, _ = process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise StackFailed(
                f"the containers did not stop within {_STOP_SECONDS} s; 'docker ps' shows which"
            ) from None
    if process.returncode:
        lines = "\n".join(f"    {line}" for line in output.strip().splitlines()[-10:])
        raise StackFailed(f"Compose cannot stop the stack:\n{lines}")


def _agree(layout: Layout, name: str) -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError("--clean removes data: without a terminal to ask on, give --yes too")
    volumes = ", ".join(project_objects("volume", name)) or "no volumes"
    answer = input(f"Remove {volumes}, and the secrets and settings in {display_path(layout.folder)}? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        raise ConfigurationError("nothing was removed or stopped")


def _remove(layout: Layout, name: str) -> None:
    """The images stay: they are no data, and the next start is quicker for them."""
    if networks := project_objects("network", name):
        run_docker("network", "rm", *networks)
    if volumes := project_objects("volume", name):
        run_docker("volume", "rm", *volumes)
    shutil.rmtree(layout.folder, ignore_errors=False)
    files = layout.data_dir / "files"
    for folder in (files, layout.data_dir):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    print(f"Removed its volumes and {display_path(layout.folder)}; the images stay ('docker image ls').")
