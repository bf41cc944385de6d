"""The images of the stack: ours are built where the source has changed, the others fetched if missing."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from deploy.docker.build_progress import BuildProgress
from deploy.docker.compose import Compose
from deploy.docker.containers import Wanted
from deploy.docker.engine import StackFailed, image_ids
from deploy.docker.layout import Layout
from deploy.docker.project import read_json, write_json
from deploy.paths import ROOT, display_path

Say = Callable[[str], None]

SOURCES = (
    "Dockerfile",
    ".dockerignore",
    "pyproject.toml",
    "constraints.txt",
    "LICENSE",
    "shared",
    "services",
)
"""What our images are made of, relative to the project; a folder means all in it."""

_HEALTH_CHECK = "deploy/docker/healthcheck.py"
_LOG_LINES = 25


def source_fingerprint(root: Path, builds: Mapping[str, Any]) -> str:
    """Of all that an image is made of, and of how it is made (``build`` of each service)."""
    digest = hashlib.sha256(json.dumps(builds, sort_keys=True).encode())
    for path in _source_files(root):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _source_files(root: Path) -> Iterator[Path]:
    for name in (*SOURCES, _HEALTH_CHECK):
        place = root / name
        found = sorted(place.rglob("*")) if place.is_dir() else [place]
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)


def builds_of(model: Mapping[str, Any]) -> dict[str, Any]:
    """Service → how its image is built; one service for each image."""
    found: dict[str, Any] = {}
    images: set[str] = set()
    for name, service in sorted(model.get("services", {}).items()):
        if service.get("build") and service.get("image") not in images:
            images.add(service.get("image", ""))
            found[name] = {"image": service.get("image"), **service["build"]}
    return found


def wanted_state(compose: Compose, model: Mapping[str, Any]) -> Wanted:
    """What a container must have to be kept as it is."""
    images = {name: service["image"] for name, service in model["services"].items() if service.get("image")}
    ids = image_ids(sorted(set(images.values())))
    return Wanted(compose.hashes(), {name: ids[image] for name, image in images.items() if image in ids})


def missing_images(model: Mapping[str, Any]) -> dict[str, str]:
    """Service → image, of those that the engine has not and that are not built here."""
    wanted = {
        name: service["image"]
        for name, service in model.get("services", {}).items()
        if not service.get("build") and service.get("image")
    }
    built = {service.get("image") for service in model["services"].values() if service.get("build")}
    there = image_ids(sorted(set(wanted.values())))
    return {name: image for name, image in wanted.items() if image not in there and image not in built}


def build_images(
    compose: Compose, layout: Layout, model: Mapping[str, Any], say: Say, *, force: bool
) -> list[str]:
    """Build ours, one after the other, where something has changed; the services that were built.

    :raises StackFailed: a build failed; the end of its log is in the message."""
    builds = builds_of(model)
    if not builds:
        return []
    reason = _why_build(layout, builds, force=force)
    if reason is None:
        return []
    log = layout.log("build")
    log.parent.mkdir(parents=True, exist_ok=True)
    say(f"Building {', '.join(builds)} ({reason}); all of the output goes to {display_path(log)}:")
    with log.open("w", encoding="utf-8") as file:
        for service in builds:
            begun = time.monotonic()
            if _follow(
                compose.spawn("--progress", "plain", "build", service, output=subprocess.PIPE),
                service,
                file,
                say,
            ):
                raise StackFailed(_failure(service, log))
            say(f"  {service:<12} built in {time.monotonic() - begun:.0f} s")
    write_json(layout.built, {"fingerprint": source_fingerprint(ROOT, builds)})
    return list(builds)


def _why_build(layout: Layout, builds: Mapping[str, Any], *, force: bool) -> str | None:
    if force:
        return "--build"
    wanted = [build["image"] for build in builds.values()]
    if missing := sorted(set(wanted) - image_ids(wanted).keys()):
        return f"no image {', '.join(missing)}"
    built_from = read_json(layout.built).get("fingerprint")
    if built_from is None:
        return "what the images were built from is not known here"
    if built_from != source_fingerprint(ROOT, builds):
        return "the source has changed"
    return None


def _follow(process: subprocess.Popen[str], service: str, log: TextIO, say: Say) -> int:
    """Its exit code."""
    progress = BuildProgress(service)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            log.write(line)
            if told := progress.take(line):
                say(told)
    except BaseException:
        process.terminate()
        raise
    log.flush()
    return process.wait()


def _failure(service: str, log: Path) -> str:
    tail = "\n".join(
        f"    {line}" for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
    )
    return (
        f"the image of {service} cannot be built; ./start.sh --docker tries again, from where it was."
        f" The end of {display_path(log)}:\n{tail}"
    )


def pull_images(images: Mapping[str, str], say: Say) -> None:
    """Fetch one image after the other. In a terminal Docker's own progress bars are shown.

    :raises StackFailed: one cannot be had."""
    for number, (service, image) in enumerate(sorted(images.items()), 1):
        say(f"Fetching image {number} of {len(images)}: {image} ({service})")
        output = None if sys.stdout.isatty() else subprocess.DEVNULL
        result = subprocess.run(
            ["docker", "pull", image],  # noqa: S607 - the user's own docker
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if result.returncode:
            said = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise StackFailed(
                f"the image {image} of {service} cannot be fetched: {said}. Is there a network, and may"
                " Docker use it? ./start.sh --docker tries again; --override FILE can name another"
            )
