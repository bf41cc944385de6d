"""The stack in containers: what is saved and put back, in which order.

First the cursor of the source, then, once the processors have committed all that stood in Kafka by then,
their offsets, and last Redis. So whatever the cursor has passed is in the copy of Redis, also where Kafka's
records are gone; and whatever came after the offsets is read once more, which versions make harmless.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from deploy.backup.archive import pack, unpack
from deploy.docker.engine import StackFailed
from deploy.docker.layout import Layout
from deploy.docker.project import Project, read_json
from deploy.docker.staged_start import StagedStart
from deploy.docker.stop import remembered_project

KIND = "containers"
PRODUCER = "producer"
REDIS = "redis"
OFFSETS = "offsets.json"

_VOLUME = "/data"
_CURSORS = "/data/producer"
_STEP_SECONDS = 3600.0
_STOPPED = ("gateway", "api", "processor", "producer", "redis")
"""Who uses what is put back; the API too, because its own index follows the one in Redis."""
_OFFSETS = ("python", "-m", "services.processor", "offsets")
_SAVE_CURSORS = 'mkdir -p "$1" && cd "$1" && set -- cursor-*.json && if [ -e "$1" ]; then tar -cf - "$@"; fi'
_LIST_CURSORS = (
    'mkdir -p "$1" && cd "$1" && for file in cursor-*.json; do if [ -e "$file" ]; then echo "$file"; fi; done'
)
_PUT_CURSORS = 'cd "$1" && rm -f cursor-*.json && tar -xf -'


@dataclass(frozen=True)
class Containers:
    project: Project
    scale: Mapping[str, int]

    def save(self, folder: Path, wait: int, accept_lag: bool) -> dict[str, Any]:
        """Into ``folder``; facts for the manifest.

        :raises StackFailed: something of it did not work, or the processors are too far behind.
        """
        cursors = folder / "cursors.tar"
        with cursors.open("wb") as file:
            self._in_new("producer", *_shell(_SAVE_CURSORS, _CURSORS), stdout=file)
        unpack(cursors, folder / PRODUCER)

        accept = ["--behind"] if accept_lag else []
        offsets = self._in_new("processor", *_OFFSETS, "save", f"--wait={wait}", *accept)
        (folder / OFFSETS).write_bytes(offsets)

        redis = folder / "redis.tar"
        with redis.open("wb") as file:
            self._run("exec", "-T", "redis", *_shell(_read("redis_save.sh"), _VOLUME), stdout=file)
        unpack(redis, folder / REDIS)
        return {"offsets": json.loads(offsets), "images": self._images()}

    def restore(self, folder: Path) -> dict[str, Any]:
        """From ``folder``; what became of the offsets, and of the cursor.

        :raises StackFailed: something of it did not work; run it once more when that is mended.
        """
        services = list(self.project.compose.model()["services"])
        self._run("stop", *(name for name in _STOPPED if name in services))
        with _packed(folder / REDIS) as file:
            self._in_new("redis", *_shell(_read("redis_restore.sh"), _VOLUME), stdin=file)
        self._start(["kafka", "redis"])
        with (folder / OFFSETS).open("rb") as file:
            said = self._in_new("processor", *_OFFSETS, "restore", stdin=file)
        outcome: dict[str, Any] = json.loads(said)
        outcome["cursor"] = self._restore_cursor(folder / PRODUCER, outcome["outcome"])
        self._start(services)
        return outcome

    def _restore_cursor(self, saved: Path, outcome: str) -> str:
        """The present one stays where Kafka still has all that it has passed: what it has read since need not
        be fetched again."""
        present = self._in_new("producer", *_shell(_LIST_CURSORS, _CURSORS))
        if outcome == "continued" and present.strip():
            return "kept"
        if not saved.is_dir():
            return "none saved"
        with _packed(saved) as file:
            self._in_new("producer", *_shell(_PUT_CURSORS, _CURSORS), stdin=file)
        return "restored"

    def _start(self, services: list[str]) -> None:
        scale = {name: count for name, count in self.scale.items() if name in services}
        StagedStart(self.project, scale, print).run(services)

    def _images(self) -> dict[str, str]:
        return {each.label: each.image_id for each in self.project.containers()}

    def _in_new(
        self, service: str, *command: str, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None
    ) -> bytes:
        """In a container of its own with the volumes of the service, whether that one runs or not."""
        program, *arguments = command
        return self._run(
            *("run", "--rm", "--no-deps", "-T", "--entrypoint", program, service, *arguments),
            stdin=stdin,
            stdout=stdout,
        )

    def _run(self, *arguments: str, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None) -> bytes:
        compose = self.project.compose
        done = subprocess.run(
            compose.command("--progress", "quiet", *arguments),
            stdin=stdin or subprocess.DEVNULL,
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=compose.environment,
            timeout=_STEP_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()[-5:]
            raise StackFailed("\n".join(said) or f"{arguments[0]}: exit code {done.returncode}")
        return done.stdout or b""


def running_containers(layout: Layout) -> Containers:
    """The stack that ``start.sh`` started.

    :raises StackFailed: there is none, or its index is not in Redis.
    """
    facts = read_json(layout.facts)
    if not facts:
        raise StackFailed("no stack is running in containers: ./start.sh --docker starts it")
    project = remembered_project(layout).with_variables({"COMPOSE_PROJECT_NAME": facts["project"]})
    environment = project.compose.model()["services"]["processor"]["environment"]
    if environment.get("VECTOR_STORE") != "redis":
        raise StackFailed(
            f"VECTOR_STORE={environment.get('VECTOR_STORE')}: of containers, only an index in Redis is saved"
        )
    return Containers(project, facts["scale"])


def _shell(script: str, *arguments: str) -> list[str]:
    return ["sh", "-c", script, "sh", *arguments]


def _read(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


@contextlib.contextmanager
def _packed(folder: Path) -> Iterator[IO[bytes]]:
    packed = folder.with_suffix(".tar")
    pack(folder, packed)
    with packed.open("rb") as file:
        yield file
    packed.unlink()
