"""Ollama's download of the language model, as lines that a user can read."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deploy.docker.containers import Container
from deploy.docker.endpoints import fetch_inside
from deploy.docker.project import Project
from deploy.http_client import Unreachable

Say = Callable[[str], None]

_PROGRAM = Path(__file__).parent / "inside" / "pull_model.py"
_REPEAT_AFTER = 5.0
_MB = 1e6
_LOADED_WITHIN = 120.0
_MODEL_LOADS = 'rag_llm_state{state="loading"} 1.0'


class PullProgress:
    """A report of Ollama in, a line for the user out, or nothing where it tells nothing new.

    ``repeat_after``: the most often, in seconds, that one layer's progress is told."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, repeat_after: float = _REPEAT_AFTER
    ) -> None:
        self._clock = clock
        self._repeat_after = repeat_after
        self._status = ""
        self._told = -repeat_after

    def take(self, report: Mapping[str, Any]) -> str | None:
        status, total = str(report.get("status", "")), report.get("total")
        if not isinstance(total, int) or total <= 0:
            if status in (self._status, "success", "waiting", ""):
                return None
            self._status = status
            return f"  model            {status}"
        completed = report.get("completed")
        done = completed if isinstance(completed, int) else 0
        now = self._clock()
        finished = done >= total
        if status == self._status and (now - self._told < self._repeat_after) and not finished:
            return None
        if status == self._status and finished and self._told == float("inf"):
            return None
        self._status, self._told = status, float("inf") if finished else now
        share = f"{done * 100 // total} %  ({done / _MB:,.0f} of {total / _MB:,.0f} MB)"
        return f"  model            {status}: {share}"


def pull_model(project: Project, say: Say) -> bool:
    """Returns once Ollama has the model, or cannot get it; whether it has it."""
    command = project.compose.command("exec", "-T", "api", "python", "-")
    progress, error = PullProgress(), "the report ended early"
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        errors="replace",
        env=project.compose.environment,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(_PROGRAM.read_text(encoding="utf-8"))
        process.stdin.close()
        for line in process.stdout:
            report = json.loads(line)
            if report.get("status") == "success":
                say("  model            there")
                return True
            error = str(report.get("error", error))
            if told := progress.take(report):
                say(told)
    say(
        f"The language model could not be fetched: {error}. Answers are quotes until it is there; the api"
        " goes on trying. Ollama needs a network for it, and LLM_MODEL must be a model that it knows."
    )
    return False


def wait_for_model(project: Project, say: Say) -> None:
    """Returns once every api has the language model loaded, or after a while in which one had not."""
    deadline = time.monotonic() + _LOADED_WITHIN
    while loading := [found for found in project.containers() if found.service == "api" and _loads(found)]:
        if time.monotonic() > deadline:
            names = ", ".join(found.label for found in loading)
            say(f"  model            not loaded yet by {names}: answers are quotes until it is")
            return
        time.sleep(1)
    say("  model            loaded")


def _loads(api: Container) -> bool:
    try:
        return _MODEL_LOADS in fetch_inside(api, "/metrics").text
    except Unreachable:
        return True
