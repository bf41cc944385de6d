"""``python -m deploy.extras``: the extras of the project that the settings need beyond the default ones."""

from __future__ import annotations

from pathlib import Path

from shared.errors import ConfigurationError
from shared.settings import EmbedderSettings, LLMSettings, ReaderSettings, RerankerSettings, load_settings


def extras_for(
    embedder: EmbedderSettings, llm: LLMSettings, reranker: RerankerSettings, reader: ReaderSettings
) -> list[str]:
    """The packages of the defaults are among the services' own."""
    extras: list[str] = []
    if embedder.kind != "hashing" and embedder.backend != "openvino":
        extras.append(embedder.backend)
    if llm.kind == "huggingface":
        extras.append("huggingface")
    named = [settings.model for settings in (reranker, reader) if settings.kind != "none"]
    if any(model and not Path(model).is_dir() for model in named):
        extras.append("hub")
    return extras


def main() -> None:
    try:
        print(
            *extras_for(
                load_settings(EmbedderSettings),
                load_settings(LLMSettings),
                load_settings(RerankerSettings),
                load_settings(ReaderSettings),
            )
        )
    except ConfigurationError:
        return  # the start that follows names every wrong value


if __name__ == "__main__":
    main()
