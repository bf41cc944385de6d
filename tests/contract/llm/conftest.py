"""Language model servers as real processes, and the adapters that talk to them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import pytest

from shared.errors import LLMUnavailable
from shared.llm.loading import LoadableLLM
from shared.llm.ollama import OllamaLLM
from shared.llm.openai import OpenAILLM
from tests.support.faulty_proxy import FaultyProxy, faulty_proxy
from tests.support.llama_server import KEY, MODEL, LlamaServer, llama_server
from tests.support.ollama_server import OllamaServer, ollama_server
from tests.support.processes import wait_until

OLLAMA_MODEL = "smollm2:135m"
PATIENT = 120.0
"""Seconds of silence that no busy machine reaches."""


@pytest.fixture(scope="session")
def llama() -> Iterator[LlamaServer]:
    with llama_server() as server:
        yield server


@pytest.fixture(scope="session")
def ollama() -> Iterator[OllamaServer]:
    """Shared: a test that gives orders to it takes them back."""
    with ollama_server(OLLAMA_MODEL) as server:
        yield server


Make = Callable[[str, float], LoadableLLM]


@dataclass(frozen=True)
class Served:
    """One kind of server. ``make(root, silence_seconds)`` is an adapter that is not loaded yet."""

    kind: str
    root: str
    make: Make
    proxy: FaultyProxy
    stack: ExitStack

    def direct(self, silence: float = PATIENT) -> LoadableLLM:
        return self._loaded(self.root, silence)

    def through_proxy(self, silence: float = PATIENT) -> LoadableLLM:
        """Loaded while nothing is wrong."""
        return self._loaded(self.proxy.root, silence)

    def _loaded(self, root: str, silence: float) -> LoadableLLM:
        llm = self.make(root, silence)
        self.stack.callback(llm.close)

        def loads() -> bool:
            with suppress(LLMUnavailable):  # where the machine is busy and the silence short
                llm.load(threading.Event())
                return True
            return False

        wait_until(loads, PATIENT, f"{self.kind} is loaded")
        return llm


def make_openai(root: str, silence: float) -> LoadableLLM:
    return OpenAILLM(f"{root}/v1", KEY, MODEL, 2048, silence)


def make_ollama(root: str, silence: float) -> LoadableLLM:
    return OllamaLLM(root, OLLAMA_MODEL, 2048, silence, "-1", pull=False)


@pytest.fixture(scope="session")
def llama_proxy(llama: LlamaServer) -> Iterator[FaultyProxy]:
    with faulty_proxy(llama.root) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def ollama_proxy(ollama: OllamaServer) -> Iterator[FaultyProxy]:
    with faulty_proxy(ollama.url) as proxy:
        yield proxy


@pytest.fixture(params=["openai", "ollama"])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    if request.param == "openai":
        root, make = request.getfixturevalue("llama").root, make_openai
        proxy = request.getfixturevalue("llama_proxy")
    else:
        root, make = request.getfixturevalue("ollama").url, make_ollama
        proxy = request.getfixturevalue("ollama_proxy")
    proxy.do("none")
    with ExitStack() as stack:
        yield Served(request.param, root, make, proxy, stack)
