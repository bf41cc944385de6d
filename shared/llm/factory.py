"""Settings → LLM. Adapters are imported only when chosen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from shared.errors import ConfigurationError
from shared.llm.extractive import ExtractiveLLM
from shared.llm.guarded import GuardedLLM, Limits
from shared.llm.loading import DeferredLLM, LoadableLLM
from shared.llm.measuring import MeasuredLLM
from shared.observability.metrics import LLMMetrics
from shared.ports import LLM, Clock
from shared.settings import LLMSettings

_ANSWERS_OF_A_SERVER = 4
_SERVERS = ("ollama", "openai")


def build_llm(settings: LLMSettings) -> LLM:
    """Loaded, and without a guard.

    :raises ModelMissing: there is no such model.
    :raises ConfigurationError: the settings do not lead to one.
    :raises LLMUnavailable: its server does not answer.
    """
    if settings.kind == "extractive":
        return ExtractiveLLM()
    llm = _not_yet_loaded(settings)
    try:
        llm.load(threading.Event())
    except BaseException:
        llm.close()
        raise
    return llm


def serve_llm(
    settings: LLMSettings,
    metrics: LLMMetrics,
    clock: Clock,
    on_failure: Callable[[BaseException], None],
) -> LLM:
    """Guarded, and being loaded in the background; what makes that impossible is told to ``on_failure``
    from another thread.

    :raises ModelMissing: what can be seen at once: there is no such file.
    :raises ConfigurationError: the settings contradict each other.
    """
    if settings.kind == "extractive":
        extractive = ExtractiveLLM()
        metrics.initialise(settings.kind, extractive.name)
        return MeasuredLLM(extractive, metrics, clock)
    llm = GuardedLLM(_not_yet_loaded(settings), _limits(settings), metrics, clock, on_failure)
    metrics.initialise(settings.kind, llm.name)
    llm.start()
    return llm


def _not_yet_loaded(settings: LLMSettings) -> LoadableLLM:
    if settings.kind == "ollama":
        from shared.llm.ollama import DEFAULT_MODEL as OLLAMA_MODEL
        from shared.llm.ollama import OllamaLLM

        return OllamaLLM(
            settings.ollama_url,
            settings.model or OLLAMA_MODEL,
            settings.context_tokens,
            settings.silence_seconds,
            settings.ollama_keep_alive,
            pull=settings.ollama_pull,
        )
    if settings.kind == "openai":
        from shared.llm.openai import OpenAILLM

        return OpenAILLM(
            _base_url(settings),
            _api_key(settings),
            settings.model,
            settings.context_tokens,
            settings.silence_seconds,
        )
    if settings.kind == "huggingface":
        from shared.llm.huggingface import DEFAULT_MODEL as HUGGING_FACE_MODEL
        from shared.llm.huggingface import HuggingFaceLLM

        model = settings.model or HUGGING_FACE_MODEL
        return DeferredLLM(
            model,
            settings.context_tokens,
            lambda: HuggingFaceLLM(
                model, settings.device, settings.context_tokens, settings.silence_seconds, settings.threads
            ),
        )
    from shared.llm.llamacpp import PACKAGED_MODEL, LlamaCppLLM

    return LlamaCppLLM(
        settings.model or PACKAGED_MODEL, settings.context_tokens, settings.silence_seconds, settings.threads
    )


def _limits(settings: LLMSettings) -> Limits:
    return Limits(
        timeout_seconds=settings.timeout_seconds,
        max_concurrent=settings.max_concurrent or (_ANSWERS_OF_A_SERVER if settings.kind in _SERVERS else 1),
        max_queue=settings.max_queue,
        queue_seconds=settings.queue_seconds,
        retries=settings.retries,
        retry_seconds=settings.retry_seconds,
        breaker_failures=settings.breaker_failures,
        breaker_seconds=settings.breaker_seconds,
    )


def _base_url(settings: LLMSettings) -> str:
    if settings.openai_base_url is None:
        raise ConfigurationError(
            "OPENAI_BASE_URL=: LLM=openai needs the server's address, such as http://127.0.0.1:8080/v1"
        )
    return settings.openai_base_url


def _api_key(settings: LLMSettings) -> str | None:
    key, file = settings.openai_api_key, settings.openai_api_key_file
    if key is not None and file is not None:
        raise ConfigurationError(f"OPENAI_API_KEY_FILE={file}: OPENAI_API_KEY is set too; keep one of them")
    if file is not None:
        return _read_key(file)
    return None if key is None else key.get_secret_value()


def _read_key(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"OPENAI_API_KEY_FILE={file}: cannot be read ({error})") from None
