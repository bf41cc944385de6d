from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from deploy.local import wait
from deploy.local.configuration import Stack
from deploy.local.settings import LocalStackSettings
from deploy.local.supervisor import ProcessState, StackFailed, Supervisor
from deploy.local.wait import StackWait, StartAttempts


class Programs(Supervisor):
    """A supervisor of one program; the model is loaded after ``loads_for`` looks at it."""

    def __init__(self, stack: Stack, model: Gauge) -> None:
        super().__init__(stack)
        self._model = model
        self.api = "RUNNING"
        self.loads_for = 0

    def processes(self) -> list[ProcessState]:
        self.loads_for -= 1
        if self.loads_for == 0:
            self._model.labels("loading").set(0)
        return [state("api", 1, self.api)]


class Start:
    """The API's metrics over HTTP, and a start that waits for its model."""

    def __init__(self, folder: Path, port: int, model: Gauge) -> None:
        settings = LocalStackSettings(_env_file=None, data_dir=folder, api_port=port)  # type: ignore[call-arg]
        stack = Stack(settings)
        self.model = model
        self.programs = Programs(stack, model)
        self.said: list[str] = []
        self._wait = StackWait(stack, "replay", self.programs, "key", self.said.append)

    def wait(self) -> list[str]:
        """What was said until the wait was over."""
        with self._wait as waiting:
            waiting.until_model_loaded()
        return self.said


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    registry = CollectorRegistry()
    model = Gauge("rag_llm_state", "As the API has it.", ["state"], registry=registry)
    server, thread = start_http_server(0, "127.0.0.1", registry)
    yield Start(tmp_path, server.server_port, model)
    server.shutdown()
    server.server_close()
    thread.join()


def state(name: str, started_at: int, state: str = "STARTING") -> ProcessState:
    return ProcessState(name, state, 1, started_at)


def test_a_service_that_starts_again_and_again_is_hopeless() -> None:
    attempts = StartAttempts()
    seen = [attempts.hopeless([state("api", 1), state("processor", start)]) for start in (1, 2, 2, 3, 4)]
    assert seen == [None, None, None, None, "processor"]


def test_a_service_that_was_given_up_is_hopeless_at_once() -> None:
    assert StartAttempts().hopeless([state("api", 1), state("broker", 1, "FATAL")]) == "broker"


def test_the_time_before_the_first_start_does_not_count() -> None:
    attempts = StartAttempts()
    assert [attempts.hopeless([state("api", start)]) for start in (0, 1, 2, 3)] == [None] * 4


def test_a_model_that_is_loaded_is_not_waited_for(start: Start) -> None:
    start.model.labels("loading").set(0)
    start.model.labels("closed").set(1)
    assert start.wait() == []
    assert start.programs.loads_for == 0, "nobody looked at the programs"


def test_without_a_model_there_is_nothing_to_wait_for(start: Start) -> None:
    assert start.wait() == []


def test_a_model_that_loads_is_waited_for(start: Start) -> None:
    start.model.labels("loading").set(1)
    start.programs.loads_for = 3
    assert start.wait() == []
    assert start.programs.loads_for == 0


def test_the_patience_with_a_model_ends(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "_MODEL_PATIENCE", 0.0)
    start.model.labels("loading").set(1)
    assert start.wait() == ["  the language model is not loaded yet: answers are quotes until it is"]


def test_a_model_that_cannot_be_loaded_fails_the_start(start: Start) -> None:
    start.model.labels("loading").set(1)
    start.programs.api = "FATAL"
    with pytest.raises(StackFailed, match="api keeps stopping"):
        start.wait()
