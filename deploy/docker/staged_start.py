"""Bring the containers up in stages, say what becomes of each, and stop at the first that cannot live."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from deploy.docker.containers import ONE_SHOT, Container, Wanted, explain_exit
from deploy.docker.engine import StackFailed
from deploy.docker.images import wanted_state
from deploy.docker.project import Project

Say = Callable[[str], None]

STAGES = (
    ("kafka", "redis"),
    ("kafka-topics",),
    ("replay", "producer", "processor", "api"),
    ("gateway",),
)
"""What starts after what; services that are in none of them come last."""

NOT_WAITED_FOR = ("ollama", "ollama-gpu")
"""They start with the first stage, and the api answers with quotes until they are ready."""

_INTERVAL = 0.5
_REPEAT_AFTER = 15.0
_TIMEOUT = 300.0
_RESTARTS_ALLOWED = 2
_LOG_LINES = 15


def stages(services: Sequence[str]) -> list[list[str]]:
    """The services of one stack, in the groups that they start in."""
    waited = [name for name in services if name not in NOT_WAITED_FOR]
    named = {name for stage in STAGES for name in stage}
    groups = [[name for name in stage if name in waited] for stage in STAGES]
    groups.append([name for name in waited if name not in named])
    return [group for group in groups if group]


@dataclass
class StagedStart:
    """One start. ``scale``: how often services run, of those that may run more than once."""

    project: Project
    scale: Mapping[str, int]
    say: Say
    timeout: float = _TIMEOUT
    _wanted: Wanted = field(default_factory=lambda: Wanted({}, {}))
    _begun: float = field(default_factory=time.monotonic)
    _told: dict[str, str] = field(default_factory=dict)
    _seen_ended: dict[str, int] = field(default_factory=dict)
    _restarts_before: dict[str, int] = field(default_factory=dict)

    def run(self, services: Sequence[str]) -> None:
        """:raises StackFailed: a container failed or a stage took too long; with the end of its log."""
        self._wanted = wanted_state(self.project.compose, self.project.compose.model())
        if beside := [name for name in NOT_WAITED_FOR if name in services]:
            self._up(beside, wait=False)
        for stage in stages(services):
            self._up(stage, wait=True)

    def _up(self, stage: Sequence[str], *, wait: bool) -> None:
        # One-shot jobs have ended where Compose would wait for them to be healthy.
        waiting = ["--wait"] if wait and not any(name in ONE_SHOT for name in stage) else []
        scale = [f"--scale={name}={count}" for name, count in self.scale.items() if name in stage]
        arguments = [
            "--progress",
            "plain",
            "up",
            "--detach",
            "--no-deps",
            "--no-build",
            *waiting,
            *scale,
            *stage,
        ]
        before = self._containers(stage)
        failed_before = [found for found in before if found.verdict == "failed"]
        self._restarts_before.update({found.id: found.restarts for found in before})
        deadline = time.monotonic() + self.timeout
        spoken = time.monotonic()
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            process = self.project.compose.spawn(*arguments, output=output)
            try:
                while True:
                    ended = process.poll() is not None
                    # What was down when this began is no failure of it until Compose had its turn.
                    containers = self._look(stage, [] if ended else failed_before)
                    if ended and (not wait or self._all_ready(containers, stage)):
                        break
                    if ended and process.returncode and not containers:
                        break
                    if time.monotonic() > deadline:
                        raise self._late(containers, stage)
                    if time.monotonic() - spoken > _REPEAT_AFTER:
                        spoken = time.monotonic()
                        self.say(f"  … {self._elapsed():.0f} s: waiting for {_unready(containers, stage)}")
                    time.sleep(_INTERVAL)
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
            if process.returncode:
                output.seek(0)
                raise StackFailed(_compose_failed(stage, output.read()))

    def _containers(self, stage: Sequence[str]) -> list[Container]:
        """Without those that are about to be replaced: they say nothing of this start."""
        return [
            found
            for found in self.project.containers()
            if found.service in stage and self._wanted.outdated(found) is None
        ]

    def _look(self, stage: Sequence[str], excused: Sequence[Container]) -> list[Container]:
        """The stage's containers; what has changed since the last look is told.

        :raises StackFailed: one of them has failed."""
        containers = [found for found in self._containers(stage) if found not in excused]
        for container in containers:
            if self._keeps_stopping(container) or (
                container.verdict == "failed" and self._is_certain(container)
            ):
                raise StackFailed(self._failure(container))
            if self._told.get(container.id) != container.description:
                self._told[container.id] = container.description
                when = f" after {self._elapsed():.1f} s" if container.verdict == "ready" else ""
                self.say(f"  {container.label:<16} {container.description}{when}")
        return containers

    def _restarts(self, container: Container) -> int:
        return container.restarts - self._restarts_before.get(container.id, 0)

    def _keeps_stopping(self, container: Container) -> bool:
        return container.verdict != "ready" and self._restarts(container) > _RESTARTS_ALLOWED

    def _is_certain(self, container: Container) -> bool:
        """One that has just ended may be about to be started again: it is looked at twice."""
        seen = self._seen_ended.get(container.id) == container.restarts
        self._seen_ended[container.id] = container.restarts
        return seen or container.state != "exited"

    def _all_ready(self, containers: Sequence[Container], stage: Sequence[str]) -> bool:
        wanted = sum(self.scale.get(name, 1) for name in stage)
        return len(containers) >= wanted and all(found.verdict == "ready" for found in containers)

    def _failure(self, container: Container) -> str:
        if self._keeps_stopping(container):
            what = f"keeps stopping (started again {self._restarts(container)} times)"
            if (code := self.project.last_exit_code(container)) is not None:
                what += f": it {explain_exit(replace(container, exit_code=code))}"
        elif container.unhealthy:
            what = "is unhealthy"
        else:
            what = explain_exit(container)
        return self._with_log(container, what)

    def _late(self, containers: Sequence[Container], stage: Sequence[str]) -> StackFailed:
        late = [found for found in containers if found.verdict != "ready"]
        if not late:
            return StackFailed(f"{', '.join(stage)}: no container was made within {self.timeout:g} s")
        return StackFailed(self._with_log(late[0], f"is not ready after {self.timeout:g} s"))

    def _with_log(self, container: Container, what: str) -> str:
        tail = "\n".join(f"    {line}" for line in self.project.log_tail(container, _LOG_LINES))
        return f"{container.label} {what}. The end of its log:\n{tail or '    (nothing was logged)'}"

    def _elapsed(self) -> float:
        return time.monotonic() - self._begun


def _unready(containers: Sequence[Container], stage: Sequence[str]) -> str:
    late = [f"{found.label} ({found.description})" for found in containers if found.verdict != "ready"]
    return ", ".join(late or stage)


def _compose_failed(stage: Sequence[str], output: str) -> str:
    lines = [line for line in output.strip().splitlines() if line.strip()]
    tail = "\n".join(f"    {line}" for line in lines[-_LOG_LINES:])
    return f"Compose cannot start {', '.join(stage)}:\n{tail}"
