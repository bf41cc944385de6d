"""Ollama over its own protocol, which alone lets a client set the context size.

By default Ollama cuts a prompt that is too long, and answers as if nothing had happened. So every request
sets ``num_ctx`` and forbids cutting (``truncate``, ``shift``); ``load`` tries whether the server heeds that,
and where it does not, only prompts that fit for certain are sent.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator, Mapping
from typing import Any

from shared.domain import Prompt, TokenUsage
from shared.errors import ConfigurationError, LLMLoading, LLMRefused, LLMUnavailable
from shared.llm.chat_messages import chat_messages, harmless
from shared.llm.ollama_models import ensure_model, same_model
from shared.llm.server import ModelServer, RefusedRequest, StatusError, parse_object
from shared.llm.token_bound import most_tokens

log = logging.getLogger(__name__)

DEFAULT_MODEL = "qwen2.5:1.5b"
_LOAD_SECONDS = 900.0
_TEMPLATE_TOKENS = 64
"""More than a chat template adds to two messages."""
_FILLER = "fox "


class OllamaLLM:
    """Greedy decoding. ``load`` brings the model into Ollama's memory; until then nothing is answered."""

    def __init__(
        self,
        url: str,
        model: str,
        context_tokens: int,
        silence_seconds: float,
        keep_alive: str,
        *,
        pull: bool,
    ) -> None:
        self._server = ModelServer("OLLAMA_URL", url, silence_seconds)
        self.name = model
        self.context_tokens = context_tokens
        # Ollama reads a number as seconds, and refuses one in a string.
        self._keep_alive = (
            float(keep_alive) if keep_alive.lstrip("-").replace(".", "").isdigit() else keep_alive
        )
        self._pull = pull
        self._may_think = False
        self._refuses_what_does_not_fit = False
        self._shows_loaded = False

    def load(self, stop: threading.Event) -> None:
        """Fetch the model if need be, and have it loaded; as long as that takes.

        :raises ModelMissing: there is no such model, or it may not be fetched.
        :raises ConfigurationError: its context is smaller than configured.
        """
        shown = ensure_model(self._server, self.name, pull=self._pull, stop=stop)
        self._check_context(shown)
        self._may_think = "thinking" in (shown.get("capabilities") or ())
        self._server.post_json("/api/chat", {**self._chat([]), "stream": False}, _LOAD_SECONDS)
        # Models in a cloud never show, and with OLLAMA_KEEP_ALIVE=0 none does.
        self._shows_loaded = self._is_loaded()
        self._refuses_what_does_not_fit = self._try_what_does_not_fit()

    def count_tokens(self, text: str) -> int:
        """A bound: Ollama has no tokenizer to ask."""
        return most_tokens(harmless(text))

    def stream(self, prompt: Prompt) -> Generator[str, None, TokenUsage | None]:
        self._require_room(prompt)
        if self._shows_loaded and not self._is_loaded():
            # Waiting here would cost a user the loading time; and leaving it early would end the loading.
            raise LLMLoading(f"Ollama has {self.name} no longer in memory")
        request = self._chat(chat_messages(prompt), {"num_predict": prompt.max_output_tokens})
        heard = time.monotonic()
        try:
            with self._server.post_for_lines("/api/chat", request) as lines:
                for line in lines:
                    self._server.require_progress(heard)
                    if not line:
                        continue
                    chunk = parse_object(line, self._server.failed)
                    if content := self._content(chunk):
                        yield content
                    heard = time.monotonic()
                    if chunk.get("done"):
                        return self._usage(chunk, prompt.max_output_tokens)
        except StatusError as error:
            raise self._explained(error) from error
        raise self._server.failed("the answer broke off")

    def close(self) -> None:
        self._server.close()

    def _chat(
        self, messages: list[dict[str, str]], options: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self.name,
            "messages": messages,
            "keep_alive": self._keep_alive,
            "truncate": False,
            "shift": False,
            "options": {"num_ctx": self.context_tokens, "temperature": 0, **(options or {})},
        }
        # A thinking model would spend its few output tokens on thoughts that nobody reads.
        return {**request, "think": False} if self._may_think else request

    def _content(self, chunk: dict[str, Any]) -> str:
        if "error" in chunk:
            raise self._server.failed(f"failed in the middle of an answer: {chunk['error']}")
        message = chunk.get("message") or {}
        if not isinstance(message, dict):
            raise self._server.failed(f"sent what is no piece of an answer: {str(chunk)[:300]}")
        return str(message.get("content") or "")

    def _usage(self, last: dict[str, Any], max_output_tokens: int) -> TokenUsage | None:
        """:raises LLMRefused: the context was full: the prompt was cut, or the answer was."""
        read, written = last.get("prompt_eval_count"), last.get("eval_count")
        if not isinstance(read, int) or not isinstance(written, int):
            return None
        stopped_early = last.get("done_reason") == "length" and written < max_output_tokens
        if read >= self.context_tokens or stopped_early:
            raise LLMRefused(
                f"LLM_CONTEXT_TOKENS={self.context_tokens}: Ollama filled the context "
                f"(prompt {read}, answer {written}), so one of them is cut; raise it"
            )
        return TokenUsage(read, written)

    def _require_room(self, prompt: Prompt) -> None:
        if self._refuses_what_does_not_fit:
            return
        most = sum(map(self.count_tokens, (prompt.system, prompt.user))) + _TEMPLATE_TOKENS
        if most + prompt.max_output_tokens > self.context_tokens:
            raise LLMRefused(
                f"LLM_CONTEXT_TOKENS={self.context_tokens}: the prompt may have up to {most} tokens, and "
                "this Ollama cuts silently what does not fit; upgrade it, or raise the setting"
            )

    def _explained(self, error: StatusError) -> LLMUnavailable:
        if error.status == 404:
            return self._server.failed(f"no longer has LLM_MODEL={self.name}; run 'ollama pull {self.name}'")
        if isinstance(error, RefusedRequest):
            return LLMRefused(
                f"LLM_CONTEXT_TOKENS={self.context_tokens}: Ollama refuses the prompt ({error})"
            )
        return error

    def _check_context(self, shown: dict[str, Any]) -> None:
        """Ollama lowers ``num_ctx`` to what the model was trained with, without a word."""
        details = shown.get("model_info") or {}
        size = details.get(f"{details.get('general.architecture')}.context_length")
        if isinstance(size, int) and size < self.context_tokens:
            raise ConfigurationError(
                f"LLM_CONTEXT_TOKENS={self.context_tokens}: {self.name} takes at most {size}; lower it"
            )

    def _is_loaded(self) -> bool:
        """With this context size, or a larger one."""
        running = self._server.get_json("/api/ps").get("models") or []
        return any(
            isinstance(model, dict)
            and same_model(str(model.get("name")), self.name)
            and model.get("context_length", self.context_tokens) >= self.context_tokens
            for model in running
        )

    def _try_what_does_not_fit(self) -> bool:
        """Whether a prompt that is too long is refused; older servers cut it whatever they are told."""
        too_long = [{"role": "user", "content": _FILLER * (self.context_tokens + 1)}]
        request = {**self._chat(too_long, {"num_predict": 1}), "stream": False}
        try:
            self._server.post_json("/api/chat", request, _LOAD_SECONDS)
        except StatusError as error:
            if isinstance(error, RefusedRequest) or "context" in error.detail:
                return True
            raise
        log.warning(
            "this Ollama cuts prompts silently; only those that fit for certain are sent to it",
            extra={"cure": "upgrade Ollama, or raise LLM_CONTEXT_TOKENS"},
        )
        return False
