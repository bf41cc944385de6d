"""What only Ollama does: it fetches, forgets and cuts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry

from shared.clock import SystemClock
from shared.domain import Prompt
from shared.errors import ConfigurationError, LLMLoading, LLMRefused, LLMUnavailable, ModelMissing
from shared.llm.factory import serve_llm
from shared.llm.ollama import OllamaLLM
from shared.observability.metrics import LLMMetrics
from shared.settings import LLMSettings
from tests.contract.llm.conftest import OLLAMA_MODEL, PATIENT
from tests.support.ollama_server import OllamaServer, ollama_server
from tests.support.processes import wait_until
from tests.support.streams import read_to_end

NOW = threading.Event()
PROMPT = Prompt("", "Say hello.", "", (), 5)
CONTEXT = 512


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    """One's own: it has a model with a small context, and the one that all use."""
    with ollama_server(OLLAMA_MODEL, "tiny@256", "untagged") as server:
        yield server


def an_llm(
    url: str,
    model: str = OLLAMA_MODEL,
    context: int = CONTEXT,
    keep_alive: str = "-1",
    *,
    pull: bool = False,
) -> OllamaLLM:
    return OllamaLLM(url, model, context, PATIENT, keep_alive, pull=pull)


@pytest.fixture
def llm(server: OllamaServer) -> Iterator[OllamaLLM]:
    llm = an_llm(server.url)
    llm.load(NOW)
    yield llm
    llm.close()


def _refuses_to_load(llm: OllamaLLM, kind: type[Exception]) -> str:
    try:
        with pytest.raises(kind) as caught:
            llm.load(NOW)
    finally:
        llm.close()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _loaded_context(server: OllamaServer, model: str) -> int | None:
    models = httpx.get(f"{server.url}/api/ps", trust_env=False).json()["models"]
    return next((each["context_length"] for each in models if each["name"] == model), None)


def test_loading_brings_the_model_into_memory_with_the_configured_context(
    server: OllamaServer, llm: OllamaLLM
) -> None:
    assert _loaded_context(server, OLLAMA_MODEL) == CONTEXT
    read_to_end(llm.stream(PROMPT))
    assert _loaded_context(server, OLLAMA_MODEL) == CONTEXT


def test_a_missing_model_is_pulled_with_progress_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with ollama_server() as server, caplog.at_level(logging.INFO):
        llm = an_llm(server.url, "smollm2:latest", pull=True)
        llm.load(NOW)
        assert read_to_end(llm.stream(PROMPT))[0]
        llm.close()
    percents = [vars(record)["percent"] for record in caplog.records if "9f8c7b6a5d4e" in record.message]
    assert percents == list(range(0, 101, 10))


def test_a_missing_model_that_may_not_be_pulled_is_one_line(server: OllamaServer) -> None:
    message = _refuses_to_load(an_llm(server.url, "absent"), ModelMissing)
    assert message.startswith("LLM_MODEL=absent: ")
    assert "OLLAMA_PULL=false" in message
    assert "ollama pull absent" in message


def test_a_model_that_nobody_has_is_one_line(server: OllamaServer) -> None:
    message = _refuses_to_load(an_llm(server.url, "invented:7b", pull=True), ModelMissing)
    assert message.startswith("LLM_MODEL=invented:7b: ")
    assert "file does not exist" in message


def test_a_context_that_the_model_does_not_have_is_one_line(server: OllamaServer) -> None:
    """Ollama would use the smaller one and say nothing."""
    message = _refuses_to_load(an_llm(server.url, "tiny"), ConfigurationError)
    assert message.startswith("LLM_CONTEXT_TOKENS=512: ")
    assert "256" in message


def test_a_name_without_a_tag_is_the_latest(server: OllamaServer) -> None:
    llm = an_llm(server.url, "untagged")
    llm.load(NOW)
    assert read_to_end(llm.stream(PROMPT))[0]
    llm.close()


def test_a_model_out_of_memory_is_not_waited_for(server: OllamaServer, llm: OllamaLLM) -> None:
    server.process.obey("evict")
    with pytest.raises(LLMLoading):
        next(llm.stream(PROMPT))
    assert _loaded_context(server, OLLAMA_MODEL) is None
    llm.load(NOW)
    assert read_to_end(llm.stream(PROMPT))[0]


def test_behind_the_guard_it_comes_back_by_itself(server: OllamaServer) -> None:
    settings = LLMSettings(
        _env_file=None,  # type: ignore[call-arg]
        LLM="ollama",  # type: ignore[call-arg]
        OLLAMA_URL=server.url,  # type: ignore[call-arg]
        model=OLLAMA_MODEL,
        silence_seconds=PATIENT,
        context_tokens=CONTEXT,
    )
    registry = CollectorRegistry()
    failures: list[BaseException] = []
    llm = serve_llm(settings, LLMMetrics(registry), SystemClock(), failures.append)

    def loaded() -> bool:
        return registry.get_sample_value("rag_llm_state", {"state": "closed"}) == 1

    try:
        wait_until(loaded, PATIENT, "the model is loaded")
        server.process.obey("evict")
        with pytest.raises(LLMLoading):
            next(llm.stream(PROMPT))
        wait_until(loaded, PATIENT, "the model is loaded again")
        assert read_to_end(llm.stream(PROMPT))[0]
    finally:
        llm.close()
    assert not failures


def test_a_model_that_was_removed_is_named_with_the_cure(server: OllamaServer, llm: OllamaLLM) -> None:
    server.process.obey(f"remove {OLLAMA_MODEL}")
    with pytest.raises(LLMUnavailable, match=f"ollama pull {OLLAMA_MODEL}"):
        next(llm.stream(PROMPT))


def test_a_server_that_cuts_silently_is_found_out_and_given_only_what_fits(server: OllamaServer) -> None:
    server.process.obey("old")
    llm = an_llm(server.url)
    llm.load(NOW)
    fits = Prompt("", "fox " * 80, "", (), 10)
    may_not_fit = Prompt("", "fox " * 120, "", (), 10)
    assert read_to_end(llm.stream(fits))[0]
    with pytest.raises(LLMRefused, match="LLM_CONTEXT_TOKENS=512"):
        next(llm.stream(may_not_fit))
    server.process.obey("new")
    llm.load(NOW)
    assert read_to_end(llm.stream(may_not_fit))[0], "a server that refuses may be asked"
    llm.close()


@pytest.mark.parametrize("words", [480, 505])
def test_an_answer_that_has_no_room_is_not_passed_off_as_whole(llm: OllamaLLM, words: int) -> None:
    """The prompt fits, but what is left of the context ends the answer before it is complete."""
    with pytest.raises(LLMRefused, match="LLM_CONTEXT_TOKENS=512"):
        list(llm.stream(Prompt("", "fox " * words, "", (), 80)))


@pytest.mark.parametrize("keep_alive", ["-1", "0", "90", "5m", "1.5h"])
def test_every_way_to_say_how_long_is_understood(server: OllamaServer, keep_alive: str) -> None:
    llm = an_llm(server.url, keep_alive=keep_alive)
    llm.load(NOW)
    llm.close()
