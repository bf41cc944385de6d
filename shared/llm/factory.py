"""Settings → LLM. Adapters are imported only when chosen."""

from __future__ import annotations

from shared.ports import LLM
from shared.settings import LLMSettings


def build_llm(settings: LLMSettings) -> LLM:
    """:raises ModelMissing: the chosen model is not on this machine."""
    if settings.kind == "extractive":
        from shared.llm.extractive import ExtractiveLLM

        return ExtractiveLLM()
    from shared.llm.llamacpp import PACKAGED_MODEL, LlamaCppLLM

    return LlamaCppLLM(
        settings.model or PACKAGED_MODEL, settings.context_tokens, settings.timeout_seconds, settings.threads
    )
