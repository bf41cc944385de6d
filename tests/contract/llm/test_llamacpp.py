"""llama.cpp runs beside us, not in us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shared.domain import Prompt
from shared.errors import ConfigurationError, LLMLoading, LLMUnavailable, ModelMissing
from shared.llm.llamacpp import PACKAGED_MODEL, LlamaCppLLM, find_weights
from tests.contract.llm.conftest import PATIENT
from tests.support.child import ROOT
from tests.support.processes import wait_until
from tests.support.streams import read_to_end

NOW = threading.Event()
PROMPT = Prompt("", "Say hello.", "", (), 5)
SCRIPT = f"""
import sys, threading
from shared.llm.llamacpp import PACKAGED_MODEL, LlamaCppLLM
llm = LlamaCppLLM(PACKAGED_MODEL, 512, {PATIENT}, 1)
llm.load(threading.Event())
print("xllamacpp" in sys.modules, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def llm() -> Iterator[LlamaCppLLM]:
    llm = LlamaCppLLM(PACKAGED_MODEL, 512, PATIENT, 1)
    yield llm
    llm.close()


def _children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "shared.llm.llamacpp_server" in child.cmdline()]


def test_it_says_how_many_tokens_it_read_and_wrote(llm: LlamaCppLLM) -> None:
    llm.load(NOW)
    pieces, usage = read_to_end(llm.stream(PROMPT))
    assert pieces
    assert usage is not None
    assert usage.output_tokens == PROMPT.max_output_tokens
    assert usage.input_tokens > 10


def test_a_process_that_dies_is_noticed_and_started_again(llm: LlamaCppLLM) -> None:
    with pytest.raises(LLMLoading):
        llm.stream(PROMPT)
    llm.load(NOW)
    [child] = _children()
    child.kill()
    child.wait(PATIENT)
    with pytest.raises(LLMUnavailable):
        read_to_end(llm.stream(PROMPT))
    with pytest.raises(LLMLoading):
        llm.count_tokens("hello")
    llm.load(NOW)
    assert read_to_end(llm.stream(PROMPT))[0]
    llm.close()
    assert not _children()


def test_it_ends_with_its_parent_however_that_ends_and_loads_nothing_into_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == "False\n", "loading would hold up every thread of the process"
        [child] = psutil.Process(parent.pid).children()
        child.send_signal(signal.SIGTERM)  # as to a whole group: its parent decides
        os.kill(parent.pid, signal.SIGKILL)
        wait_until(lambda: not child.is_running() or child.status() == "zombie", PATIENT, "the child ends")


def test_a_file_that_llama_cpp_does_not_take_is_one_line(tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(find_weights(PACKAGED_MODEL).read_bytes()[:1_000_000])
    llm = LlamaCppLLM(str(cut), 512, PATIENT, 1)
    with pytest.raises(ModelMissing) as caught:
        llm.load(NOW)
    llm.close()
    assert str(caught.value).startswith(f"LLM_MODEL={cut}: ")
    assert "\n" not in str(caught.value)


def test_a_context_that_the_model_does_not_have_is_one_line() -> None:
    """llama.cpp would use the smaller one."""
    llm = LlamaCppLLM(PACKAGED_MODEL, 16_384, PATIENT, 1)
    with pytest.raises(ConfigurationError) as caught:
        llm.load(NOW)
    llm.close()
    assert str(caught.value).startswith("LLM_CONTEXT_TOKENS=16384: ")
    assert "8192" in str(caught.value)
    assert "OPENAI" not in str(caught.value)


def test_closing_ends_a_loading_under_way(llm: LlamaCppLLM) -> None:
    errors: list[Exception] = []

    def load() -> None:
        try:
            llm.load(NOW)
        except LLMUnavailable as error:
            errors.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    wait_until(lambda: bool(_children()), PATIENT, "its process is there")
    llm.close()
    thread.join(PATIENT)
    assert not thread.is_alive()
    assert not _children()
