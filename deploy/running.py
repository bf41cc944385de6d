"""Which mode runs, which has data, and which a start is to use. Needs no package.

``python -m deploy.running``            prints the mode that runs, if one does
``python -m deploy.running data``       prints each mode that has left something
``python -m deploy.running choose MODE``
                                        prints the mode to start (auto, local, docker), a space, and why
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.docker.compose import find_compose
from deploy.docker.engine import NoContainers, StackFailed, find_engine, run_docker
from deploy.docker.layout import Layout
from deploy.docker.project import read_json
from deploy.env_file import data_dir, read_settings
from deploy.paths import display_path
from shared.errors import ConfigurationError, RagError

_LOCAL_DATA = ("run", "logs", "store", "producer", "prometheus", "api-keys")


def running_mode(folder: Path) -> str | None:
    """``folder``: the data folder. A file says what was started, a look whether it still runs."""
    if _docker_runs(Layout(folder)):
        return "docker"
    return "local" if _local_runs(folder / "run") else None


def modes_with_data(folder: Path) -> list[str]:
    local = any((folder / name).exists() for name in _LOCAL_DATA)
    docker = Layout(folder).folder.exists()
    return [mode for mode, has in (("docker", docker), ("local", local)) if has]


def choose_mode(asked: str, folder: Path) -> tuple[str, str]:
    """The mode, and why.

    :raises ConfigurationError: the other one runs with the same data folder."""
    running = running_mode(folder)
    if asked == "auto":
        return (running, f"a stack runs so in {display_path(folder)}") if running else _by_what_there_is()
    if running not in (None, asked):
        raise ConfigurationError(
            f"--{asked}: a stack runs in {running} mode in {display_path(folder)}; ./stop.sh stops it"
        )
    return asked, f"--{asked}"


def _by_what_there_is() -> tuple[str, str]:
    try:
        engine = find_engine()
    except NoContainers as error:
        return "local", error.reason
    try:
        program = find_compose()
    except NoContainers as error:
        return "local", f"Docker {engine.version} answers, but {error.reason}"
    return (
        "docker",
        f"Docker {engine.version} and Compose {program.version} answer; --local runs it without them",
    )


def _docker_runs(layout: Layout) -> bool:
    project = read_json(layout.facts).get("project")
    if project is None:
        return False
    try:
        return bool(
            run_docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={project}")
        )
    except StackFailed:
        return True  # whoever asks next is told that the engine does not answer


def _local_runs(run_dir: Path) -> bool:
    if os.name != "posix" or read_json(run_dir / "stack.json").get("mode") != "local":
        return False
    try:
        os.kill(int((run_dir / "supervisord.pid").read_text(encoding="utf-8")), 0)
    except (OSError, ValueError):
        return False
    return True


def main(arguments: list[str], settings: Mapping[str, str]) -> int:
    folder = data_dir(settings)
    try:
        if arguments[:1] == ["choose"]:
            mode, why = choose_mode(arguments[1], folder)
            print(mode, why)
        elif arguments == ["data"]:
            print("\n".join(modes_with_data(folder)))
        else:
            print(running_mode(folder) or "")
    except RagError as error:
        print(f"start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], read_settings()))
