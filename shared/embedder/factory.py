"""Settings to embedder."""

from __future__ import annotations

from shared.ports import Embedder
from shared.settings import EmbedderSettings


def build_embedder(settings: EmbedderSettings) -> Embedder:
    """:raises ModelMissing: the weights that EMBEDDER_MODEL names are not on this machine."""
    if settings.kind == "hashing":
        from shared.embedder.hashing import HashingEmbedder

        return HashingEmbedder()
    from shared.embedder.sentence_transformer import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(
        settings.model, batch_size=settings.batch_size, threads=settings.threads
    )
