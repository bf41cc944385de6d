"""Settings → LLM. Adapters are imported only when chosen."""

from __future__ import annotations

from shared.ports import LLM
from shared.settings import LLMSettings


def build_llm(settings: LLMSettings) -> LLM:
    """:raises ModelMissing: the chosen model is not on this machine."""
    if settings.kind == "extractive":
        from shared.llm.extractive import ExtractiveLLM

        return ExtractiveLLM()
    if settings.kind == "huggingface":
        from shared.llm.huggingface import DEFAULT_MODEL, HuggingFaceLLM

        return HuggingFaceLLM(
            settings.model or DEFAULT_MODEL,
            settings.device,
            settings.context_tokens,
            settings.silence_seconds,
            settings.threads,
        )
    from shared.llm.llamacpp import PACKAGED_MODEL, LlamaCppLLM

    return LlamaCppLLM(
        settings.model or PACKAGED_MODEL, settings.context_tokens, settings.timeout_seconds, settings.threads
    )
