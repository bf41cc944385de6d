"""Any server that speaks OpenAI's chat protocol: llama.cpp's, vLLM, a gateway, OpenAI itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator
from typing import Any

from shared.domain import Prompt, TokenUsage
from shared.errors import ConfigurationError, LLMUnavailable, ModelMissing
from shared.llm.chat_messages import chat_messages, harmless
from shared.llm.server import ModelServer, RefusedRequest, StatusError, parse_object
from shared.llm.token_bound import most_tokens

log = logging.getLogger(__name__)

_VERSION = "/v1"
_FIELD = b"data:"
_END = b"[DONE]"
_REJECTED_KEY = (401, 403)
_SHOWN_MODELS = 10
_MAX_TOKENS, _MAX_COMPLETION_TOKENS = "max_tokens", "max_completion_tokens"
_OPTIONAL = ("stream_options", "temperature")


class OpenAILLM:
    """Greedy decoding, where the server can. ``load`` looks at the server; until then there is no model."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None,
        model: str | None,
        context_tokens: int,
        silence_seconds: float,
        setting: str = "OPENAI_BASE_URL",
    ) -> None:
        """``model`` may be ``None`` where the server has only one. ``setting``: where the address comes from,
        for messages."""
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        base_url = base_url.rstrip("/")
        self._api = ModelServer(setting, base_url, silence_seconds, headers)
        # Of llama.cpp and vLLM; they have it beside the versioned API.
        self._root = ModelServer(setting, base_url.removesuffix(_VERSION), silence_seconds, headers)
        self._label = f"{setting}={base_url}"
        self._model = model
        self.context_tokens = context_tokens
        self._counts_tokens = False
        self._unsupported: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return self._model or "openai"

    def load(self, _stop: threading.Event) -> None:
        """Find the model, its context size and whether its tokens can be counted.

        :raises ModelMissing: the server does not have it.
        :raises ConfigurationError: the key is refused, or the context is smaller than configured.
        """
        listed = self._listed()
        if listed:
            entry = self._entry(listed)
            self._model = str(entry["id"])
            self._check_context(entry)
        elif self._model is None:
            raise ConfigurationError(f"LLM_MODEL=: {self._label} does not list its models; name one")
        self._counts_tokens = self._can_count()
        log.info(
            "language model found",
            extra={"model": self.name, "counts_tokens": self._counts_tokens},
        )

    def count_tokens(self, text: str) -> int:
        """Asks the server where it can count; otherwise a bound."""
        if not text or not self._counts_tokens:
            return most_tokens(harmless(text))
        return self._count(harmless(text))

    def stream(self, prompt: Prompt) -> Generator[str, None, TokenUsage | None]:
        try:
            return (yield from self._deltas(prompt))
        except RefusedRequest as error:
            if not self._learn_from(error):
                raise
        return (yield from self._deltas(prompt))

    def close(self) -> None:
        self._api.close()
        self._root.close()

    def _deltas(self, prompt: Prompt) -> Generator[str, None, TokenUsage | None]:
        usage: TokenUsage | None = None
        complete = False
        heard = time.monotonic()
        with self._api.post_for_lines("/chat/completions", self._request(prompt)) as lines:
            for line in lines:
                self._api.require_progress(heard)
                if not line.startswith(_FIELD):
                    continue
                data = line.removeprefix(_FIELD).strip()
                if data == _END:
                    return usage
                chunk = parse_object(data, self._api.failed)
                content, finished = self._read(chunk)
                usage = _usage(chunk) or usage
                complete = complete or finished
                if content:
                    yield content
                    heard = time.monotonic()
        if not complete:
            raise self._api.failed("the answer broke off")
        return usage

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            "messages": chat_messages(prompt),
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        newer = _MAX_TOKENS in self._unsupported
        request[_MAX_COMPLETION_TOKENS if newer else _MAX_TOKENS] = prompt.max_output_tokens
        return {name: value for name, value in request.items() if name not in self._unsupported}

    def _learn_from(self, error: RefusedRequest) -> bool:
        """Whether the refusal names a parameter that can be left out, or another one used in its place:
        servers differ in these. It is remembered."""
        if "context" in error.detail:  # the prompt is too long; some then advise a lower max_tokens
            return False
        named = {name for name in (*_OPTIONAL, _MAX_TOKENS) if name in error.detail}
        learned = named - self._unsupported
        self._unsupported |= learned
        if learned:
            log.info(
                "the language model's server does not take a parameter", extra={"named": sorted(learned)}
            )
        return bool(learned)

    def _read(self, chunk: dict[str, Any]) -> tuple[str, bool]:
        """The piece of text, and whether it is the last one."""
        if "error" in chunk:
            raise self._api.failed(f"failed in the middle of an answer: {chunk['error']}")
        try:
            choices = chunk.get("choices") or [{}]
            content = (choices[0].get("delta") or {}).get("content") or ""
            return str(content), choices[0].get("finish_reason") is not None
        except (AttributeError, LookupError, TypeError):
            raise self._api.failed(f"sent what is no piece of an answer: {str(chunk)[:300]}") from None

    def _listed(self) -> list[dict[str, Any]]:
        try:
            models = self._api.get_json("/models").get("data")
        except StatusError as error:
            if error.status in _REJECTED_KEY:
                raise ConfigurationError(
                    f"OPENAI_API_KEY: {self._label} refuses it "
                    f"(HTTP {error.status}); set the right key, or OPENAI_API_KEY_FILE"
                ) from None
            if (
                error.status == 404
            ):  # optional for a server; a wrong address shows itself at the first question
                return []
            raise
        if not isinstance(models, list):
            raise self._api.failed("/models did not list models")
        return [model for model in models if isinstance(model, dict) and "id" in model]

    def _entry(self, listed: list[dict[str, Any]]) -> dict[str, Any]:
        if self._model is None and len(listed) == 1:
            return listed[0]
        for entry in listed:
            if self._model in (entry["id"], *(entry.get("aliases") or ())):
                return entry
        names = sorted(str(entry["id"]) for entry in listed)
        shown = ", ".join(names[:_SHOWN_MODELS]) + (", …" if len(names) > _SHOWN_MODELS else "")
        raise ModelMissing(f"LLM_MODEL={self._model or ''}: not a model of {self._label}; it has {shown}")

    def _check_context(self, entry: dict[str, Any]) -> None:
        """vLLM and llama.cpp say how much fits."""
        meta = entry.get("meta")
        size = entry.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else None)
        if isinstance(size, int) and size < self.context_tokens:
            raise ConfigurationError(
                f"LLM_CONTEXT_TOKENS={self.context_tokens}: {entry['id']} of "
                f"{self._label} takes {size}; lower it, or raise the server's"
            )

    def _can_count(self) -> bool:
        try:
            return self._count("one two three") > 0
        except LLMUnavailable:
            return False

    def _count(self, text: str) -> int:
        # llama.cpp reads content, vLLM prompt; each ignores the other's.
        answer = self._root.post_json(
            "/tokenize",
            {"model": self._model, "content": text, "prompt": text, "add_special_tokens": False},
        )
        tokens = answer.get("tokens")
        if not isinstance(tokens, list):
            raise self._root.failed("/tokenize did not list tokens")
        return len(tokens)


def _usage(chunk: dict[str, Any]) -> TokenUsage | None:
    usage = chunk.get("usage")
    if not isinstance(usage, dict):
        return None
    counts = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if isinstance(counts[0], int) and isinstance(counts[1], int):
        return TokenUsage(counts[0], counts[1])
    return None
