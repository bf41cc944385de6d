"""Wait until the stack really answers, and say what it is waiting for."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from deploy.local.configuration import Stack
from deploy.local.supervisor import ProcessState, StackFailed, Supervisor

_TIMEOUT = 180.0
_INTERVAL = 0.1
_REPEAT_AFTER = 10.0
_STARTS_ALLOWED = 3
_LOG_LINES = 15
_MODEL_PATIENCE = 30.0
_MODEL_LOADS = 'rag_llm_state{state="loading"} 1.0'
_ANY_QUESTION = "What has just changed?"

Say = Callable[[str], None]


class StartAttempts:
    """Counts how often each program was started; a program that cannot live gives itself away early."""

    def __init__(self) -> None:
        self._starts: dict[str, set[int]] = {}

    def hopeless(self, processes: list[ProcessState]) -> str | None:
        """The name of a program that supervisord gave up, or started too often."""
        for process in processes:
            starts = self._starts.setdefault(process.name, set())
            starts.add(process.started_at)
            if process.state == "FATAL" or len(starts - {0}) > _STARTS_ALLOWED:
                return process.name
        return None


class StackWait:
    """One start's waiting: a deadline for the whole, progress on ``say``."""

    def __init__(self, stack: Stack, source: str, supervisor: Supervisor, key: str, say: Say) -> None:
        self._stack = stack
        self._ports = {name: port for name, (_, port) in stack.ports(source).items()}
        self._supervisor = supervisor
        self._say = say
        self._attempts = StartAttempts()
        self._begun = self._spoken = time.monotonic()
        # Our own loopback, so never through a proxy.
        self._http = httpx.Client(trust_env=False, timeout=30, headers={"Authorization": f"Bearer {key}"})

    def __enter__(self) -> StackWait:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def until_ready(self, *, mention_at_once: bool = True) -> None:
        """Returns once every service says that it is ready; without ``mention_at_once``, those that are
        at the first look are not worth a line.

        :raises StackFailed: with the end of the log of the service that did not.
        """
        waiting = list(self._ports)
        if not mention_at_once:
            waiting = [name for name in waiting if not self._ready(name)]
        while waiting:
            for name in [name for name in waiting if self._ready(name)]:
                waiting.remove(name)
                self._say(f"  {name:<12} ready after {time.monotonic() - self._begun:4.1f} s")
            if waiting:
                self._pause(waiting[0], f"waiting for {', '.join(waiting)}")

    def until_search_answers(self) -> None:
        """Returns once a search is answered, be it with nothing: a live stream may be quiet."""
        self._until(self._search_problem)

    def until_found(self, question: str, title: str) -> None:
        """Returns once the page ``title`` is what a search for ``question`` finds first."""

        def problem() -> str | None:
            hits = self._search(question)
            if isinstance(hits, str):
                return hits
            return None if hits and hits[0]["title"] == title else f"does not find {title!r} yet"

        self._until(problem)

    def until_model_loaded(self) -> None:
        """Returns once the language model is loaded, or after a while in which it was not: answers are
        quotes until then. A model that can never be loaded ends the API, and so the start."""
        patience_ends = time.monotonic() + _MODEL_PATIENCE
        while self._model_loads():
            if time.monotonic() > patience_ends:
                self._say("  the language model is not loaded yet: answers are quotes until it is")
                return
            self._pause("api", "waiting for the language model")

    def any_question(self) -> str:
        """About something that was indexed, if anything was."""
        hits = self._search(_ANY_QUESTION)
        return _ANY_QUESTION if isinstance(hits, str) or not hits else f"What is {hits[0]['title']}?"

    def _until(self, problem: Callable[[], str | None]) -> None:
        while (what := problem()) is not None:
            self._pause("api", f"a search {what}")

    def _search_problem(self) -> str | None:
        hits = self._search(_ANY_QUESTION)
        return hits if isinstance(hits, str) else None

    def _search(self, question: str) -> list[dict[str, Any]] | str:
        """The hits, or what is wrong."""
        try:
            response = self._http.post(
                f"{self._stack.api_url}/v1/search", json={"question": question, "top_k": 1}
            )
        except httpx.TransportError as error:
            return f"fails ({error})"
        if response.status_code != 200:
            return f"is answered with status {response.status_code}"
        hits: list[dict[str, Any]] = response.json()["hits"]
        return hits

    def _model_loads(self) -> bool:
        try:
            return _MODEL_LOADS in self._http.get(f"{self._stack.api_url}/metrics").text
        except httpx.TransportError:
            return True

    def _ready(self, name: str) -> bool:
        if name in ("broker", "replay"):
            return _accepts(self._ports[name])
        url = self._stack.api_url if name == "api" else f"http://127.0.0.1:{self._ports[name]}"
        path = "/-/ready" if name == "prometheus" else "/health/ready"
        try:
            return self._http.get(f"{url}{path}").status_code == 200
        except httpx.TransportError:
            return False

    def _pause(self, service: str, what: str) -> None:
        elapsed = time.monotonic() - self._begun
        failed = self._attempts.hopeless(self._supervisor.processes())
        if failed is not None:
            raise StackFailed(failure_report(failed, "keeps stopping", self._stack.log_file(failed)))
        if elapsed > _TIMEOUT:
            reason = f"is not ready after {_TIMEOUT:g} s ({what})"
            raise StackFailed(failure_report(service, reason, self._stack.log_file(service)))
        if time.monotonic() - self._spoken > _REPEAT_AFTER:
            self._spoken = time.monotonic()
            self._say(f"  … {elapsed:.0f} s: {what}")
        time.sleep(_INTERVAL)


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def failure_report(service: str, what: str, log_file: Path) -> str:
    lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines() if log_file.exists() else []
    tail = "\n".join(f"    {line}" for line in lines[-_LOG_LINES:]) or "    (nothing was logged)"
    return f"{service} {what}. The end of {log_file}:\n{tail}"
