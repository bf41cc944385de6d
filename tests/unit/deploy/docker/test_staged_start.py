from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from deploy.docker.containers import Container, Wanted
from deploy.docker.engine import StackFailed
from deploy.docker.staged_start import StagedStart

API = Container("1", "x-api-1", "api", 1, "running", "healthy", 0, 0, False, "h", "i")
STARTING = replace(API, health="starting")


class ProjectOfOne:
    """The engine shows ``states`` one after the other, the last for good."""

    def __init__(self, states: Sequence[Container], exit_code: int | None = None) -> None:
        self._states: Iterator[Container] = iter(states)
        self._shown = states[0]
        self._exit_code = exit_code
        self.compose = self

    def model(self) -> None:
        return None

    def spawn(self, *_arguments: str, output: Any) -> subprocess.Popen[str]:
        ended = subprocess.Popen([sys.executable, "-c", ""], stdout=output, text=True)
        ended.wait()
        return ended

    def containers(self) -> list[Container]:
        self._shown = next(self._states, self._shown)
        return [self._shown]

    def last_exit_code(self, _container: Container) -> int | None:
        return self._exit_code

    def log_tail(self, _container: Container, _lines: int) -> list[str]:
        return ["the last line"]


@pytest.fixture(autouse=True)
def as_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "deploy.docker.staged_start.wanted_state", lambda *_: Wanted({"api": "h"}, {"api": "i"})
    )
    monkeypatch.setattr("deploy.docker.staged_start._INTERVAL", 0.0)


def start(states: Sequence[Container], exit_code: int | None = None) -> list[str]:
    said: list[str] = []
    project: Any = ProjectOfOne(states, exit_code)
    StagedStart(project, {}, said.append, timeout=5).run(["api"])
    return said


def test_restarts_of_long_ago_are_no_failure() -> None:
    said = start([replace(STARTING, restarts=7), replace(STARTING, restarts=8), replace(API, restarts=8)])
    assert said[-1].startswith("  api              healthy after")


def test_one_that_lives_in_the_end_is_no_failure() -> None:
    assert "healthy after" in start([STARTING, replace(STARTING, restarts=1), replace(API, restarts=3)])[-1]


@pytest.mark.parametrize(
    ("exit_code", "how"),
    [
        (3, ": it ended with exit code 3. The end"),
        (137, ": it was killed (exit code 137)"),
        (None, ". The end"),
    ],
)
def test_one_that_is_started_again_and_again_fails_while_it_runs(exit_code: int | None, how: str) -> None:
    again = [replace(STARTING, restarts=number) for number in (5, 6, 7, 8)]
    with pytest.raises(StackFailed) as failed:
        start(again, exit_code)
    assert f"api keeps stopping (started again 3 times){how}" in str(failed.value)
    assert str(failed.value).endswith("    the last line")


def test_one_that_stopped_once_and_is_then_unhealthy_is_called_so() -> None:
    with pytest.raises(StackFailed, match=r"^api is unhealthy\. The end of its log:"):
        start([STARTING, replace(API, health="unhealthy", restarts=1)])


def test_one_between_two_lives_is_not_called_unhealthy() -> None:
    """The engine calls the health of whatever does not run unhealthy."""
    between = replace(API, state="restarting", health="unhealthy")
    lives = [replace(between, restarts=number) for number in (1, 2, 3)]
    with pytest.raises(
        StackFailed, match=r"^api keeps stopping \(started again 3 times\): it ended with exit"
    ):
        start([STARTING, *lives], exit_code=3)


def test_one_that_has_ended_for_good_is_told_by_its_exit_code() -> None:
    with pytest.raises(StackFailed, match=r"^api ended with exit code 3\. The end of its log:"):
        start([STARTING, replace(API, state="exited", health="unhealthy", exit_code=3)])
