"""A container engine for tests: one that answers, or one started for them, or a skip that says why."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.processes import running

_ANSWER_SECONDS = 20.0
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_COMMAND_SECONDS = 120.0
_BUILD_SECONDS = 900.0
_LOG_TAIL = 4_000


@dataclass(frozen=True, slots=True)
class Engine:
    """``host``: what DOCKER_HOST says, empty for the client's default. ``log``: the output of every build."""

    host: str
    log: Path
    environment: Mapping[str, str] = field(init=False)
    """For any command that talks to this engine, ``docker compose`` too."""

    def __post_init__(self) -> None:
        # The classic builder: the engines of Debian have no BuildKit client beside them.
        chosen = {"DOCKER_HOST": self.host} if self.host else {}
        object.__setattr__(self, "environment", {**os.environ, **chosen, "DOCKER_BUILDKIT": "0"})

    def run(
        self,
        *arguments: str,
        check: bool = True,
        timeout: float = _COMMAND_SECONDS,
        stdin: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """``docker ARGUMENTS``, its output as text; with ``check`` a failure shows all of it."""
        done = subprocess.run(
            ["docker", *arguments],
            env=self.environment,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            said = f"{done.stdout[-_LOG_TAIL:]}\n{done.stderr[-_LOG_TAIL:]}"
            raise AssertionError(f"docker {' '.join(arguments)}: exit {done.returncode}\n{said}")
        return done

    def build(
        self,
        context: Path,
        tag: str,
        *options: str,
        timeout: float = _BUILD_SECONDS,
    ) -> str:
        """Build ``context`` as ``tag`` with the host's network, its output in ``log``; returns ``tag``."""
        self.logged(
            ["docker", "build", "--network", "host", "--tag", tag, *options, str(context)],
            f"building {tag}",
            timeout,
        )
        return tag

    def logged(self, command: list[str], what: str, timeout: float) -> None:
        """Run a long command with its output at the end of ``log``, and show that end where it fails."""
        begun = time.monotonic()
        print(f"{what} (log: {self.log}) ...", flush=True)
        with self.log.open("ab") as output:
            start = output.tell()
            done = subprocess.run(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
            )
        print(f"{what}: {time.monotonic() - begun:.0f} s", flush=True)
        if done.returncode:
            tail = self.log.read_bytes()[start:][-_LOG_TAIL:].decode(errors="replace")
            raise AssertionError(f"{what}: exit {done.returncode}\n{tail}")

    def has_image(self, tag: str) -> bool:
        return self.run("image", "inspect", tag, check=False).returncode == 0


@contextlib.contextmanager
def running_engine(folder: Path) -> Iterator[Engine]:
    """The engine of DOCKER_HOST or of this machine; else one of its own, which ends with the tests.
    ``folder`` takes the logs. Skips where there is neither."""
    if shutil.which("docker") is None:
        pytest.skip("no container engine: the command docker is not installed")
    found = Engine(os.environ.get("DOCKER_HOST", ""), folder / "images.log")
    if _answers(found):
        yield found
        return
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("no container engine answers, and only root could start one")
    if shutil.which("dockerd") is None:
        pytest.skip("no container engine answers, and dockerd is not installed")
    with _own_engine(folder) as started:
        yield started


def _answers(candidate: Engine) -> bool:
    try:
        return candidate.run("version", check=False, timeout=_ANSWER_SECONDS).returncode == 0
    except subprocess.TimeoutExpired:
        return False


@contextlib.contextmanager
def _own_engine(folder: Path) -> Iterator[Engine]:
    # A socket's path may have 107 characters, fewer than folders of tests have.
    home = Path(tempfile.mkdtemp(prefix="engine-"))
    host = f"unix://{home}/docker.sock"
    command = [
        "dockerd",
        *("--host", host, "--data-root", str(home / "data"), "--exec-root", str(home / "exec")),
        *("--pidfile", str(home / "docker.pid")),
    ]
    log = folder / "dockerd.log"
    candidate = Engine(host, folder / "images.log")
    try:
        with running(command, log, grace=_STOP_SECONDS) as process:
            deadline = time.monotonic() + _START_SECONDS
            while not _answers(candidate):
                if process.poll() is not None or time.monotonic() > deadline:
                    tail = log.read_text(errors="replace")[-600:]
                    pytest.skip(f"no container engine answers, and one of our own does not start: {tail}")
                time.sleep(0.2)
            yield candidate
    finally:
        shutil.rmtree(home, ignore_errors=True)
