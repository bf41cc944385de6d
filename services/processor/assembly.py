"""What the service and the rebuild must make alike, or the two would cut texts differently."""

from __future__ import annotations

from services.processor.chunker import Chunker
from services.processor.settings import ProcessorSettings
from shared.errors import ConfigurationError
from shared.ports import Embedder


def build_chunker(settings: ProcessorSettings, embedder: Embedder) -> Chunker:
    """:raises ConfigurationError: CHUNK_TOKENS is more than the embedder reads."""
    if settings.chunk_tokens > embedder.max_tokens:
        raise ConfigurationError(
            f"CHUNK_TOKENS={settings.chunk_tokens}: {embedder.name} reads at most {embedder.max_tokens}"
        )
    return Chunker(embedder.count_tokens, settings.chunk_tokens, settings.chunk_window_tokens)
