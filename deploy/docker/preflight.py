"""What would stop the stack, found before anything is written or started; one line for each problem."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.docker.compose import ComposeProgram, find_compose
from deploy.docker.engine import EngineFacts, StackFailed, find_engine, version_tuple
from deploy.docker.images import builds_of, missing_images
from deploy.docker.memory import limit_problems, megabytes, memory_problem, needed_memory
from deploy.docker.options import Choice
from deploy.docker.ports import port_problems, published_ports
from deploy.paths import ROOT
from shared.errors import ConfigurationError

NEEDED_ENGINE = "20.10.0"

_MIB = 1024**2
_DISK_ALWAYS = 1024 * _MIB
_DISK_TO_BUILD = 4096 * _MIB
_DISK_OF_IMAGE = {"ollama": 6144 * _MIB, "ollama-gpu": 6144 * _MIB}
"""With a model; others take about ``_DISK_OF_OTHERS``."""
_DISK_OF_OTHERS = 500 * _MIB


def find_tools() -> tuple[EngineFacts, ComposeProgram]:
    """:raises ConfigurationError: one of them cannot be used; a line for each."""
    problems: list[str] = []
    engine, program = None, None
    try:
        engine = find_engine()
        problems += engine_problems(engine)
    except StackFailed as error:
        problems.append(str(error))
    try:
        program = find_compose()
    except StackFailed as error:
        problems.append(str(error))
    refuse(problems)
    assert engine is not None
    assert program is not None
    return engine, program


def engine_problems(engine: EngineFacts) -> list[str]:
    problems = []
    if version_tuple(engine.version) < version_tuple(NEEDED_ENGINE):
        problems.append(
            f"Docker {engine.version} is too old, {NEEDED_ENGINE} or newer is needed: update it,"
            " or use ./start.sh --local"
        )
    if engine.os_type != "linux":
        problems.append(
            f"Docker runs {engine.os_type} containers: switch it to Linux containers, in its menu"
        )
    return problems


def stack_problems(
    engine: EngineFacts,
    model: Mapping[str, Any],
    choice: Choice,
    scale: Mapping[str, int],
    settings: Mapping[str, str],
    *,
    build: bool,
) -> list[str]:
    """``model`` is Compose's, with the chosen profiles."""
    memory = memory_problem(engine.memory, needed_memory(model, scale), lite=choice.lite)
    return [
        *([memory] if memory else []),
        *limit_problems(model),
        *_disk_problems(engine, model, build=build),
        *port_problems(published_ports(model), model["name"]),
        *_scale_problems(scale, settings),
        *_file_problems(settings),
    ]


def override_problems(overrides: Sequence[Path]) -> list[str]:
    return [f"--override {path}: there is no such file" for path in overrides if not path.is_file()]


def _disk_problems(engine: EngineFacts, model: Mapping[str, Any], *, build: bool) -> list[str]:
    """Only where the engine's disk is this machine's; that of a virtual machine cannot be seen from here."""
    if not engine.root or not Path(engine.root).is_dir():
        return []
    needed = disk_needed(missing_images(model), build=build and bool(builds_of(model)))
    try:
        free = shutil.disk_usage(engine.root).free
    except OSError:  # another user's folder
        return []
    if free >= needed:
        return []
    return [
        f"disk: {engine.root} has {megabytes(free)} free, about {megabytes(needed)} are needed;"
        " 'docker system df' shows what could go"
    ]


def disk_needed(missing: Mapping[str, str], *, build: bool) -> int:
    """Bytes for the images that are missing (service → image) and, with ``build``, for making ours."""
    fetched = sum(_DISK_OF_IMAGE.get(service, _DISK_OF_OTHERS) for service in missing)
    return _DISK_ALWAYS + fetched + (_DISK_TO_BUILD if build else 0)


def _scale_problems(scale: Mapping[str, int], settings: Mapping[str, str]) -> list[str]:
    """A processor without a partition would wait for one for ever."""
    partitions, processors = settings.get("KAFKA_PARTITIONS") or "4", scale.get("processor", 1)
    if not partitions.isdigit() or processors <= int(partitions):
        return []
    return [
        f"--scale processor={processors}: KAFKA_PARTITIONS={partitions} feeds at most {partitions};"
        f" give KAFKA_PARTITIONS={processors} or more"
    ]


def _file_problems(settings: Mapping[str, str]) -> list[str]:
    """Compose would make an empty folder of a file that is missing."""
    problems = []
    for name in ("API_KEYS_FILE", "OPENAI_API_KEY_FILE"):
        path = settings.get(name)
        if path and not (ROOT / Path(path).expanduser()).is_file():
            problems.append(f"{name}={path}: there is no such file; make it, or leave {name} out")
        elif path and not os.access(ROOT / Path(path).expanduser(), os.R_OK):
            problems.append(f"{name}={path}: this user may not read it")
    return problems


def refuse(problems: Sequence[str]) -> None:
    """:raises ConfigurationError: there are problems; a line for each."""
    if problems:
        raise ConfigurationError("\n".join(problems))
