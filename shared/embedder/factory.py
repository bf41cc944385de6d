"""Settings to embedder."""

from __future__ import annotations

from shared.ports import Embedder
from shared.settings import EmbedderSettings


def build_embedder(settings: EmbedderSettings) -> Embedder:
    """:raises ModelMissing: what EMBEDDER_MODEL names is not on this machine, or not for this backend.
    :raises ConfigurationError: the packages of EMBEDDER_BACKEND are not installed.
    """
    if settings.kind == "hashing":
        from shared.embedder.hashing import HashingEmbedder

        return HashingEmbedder()
    size, threads = settings.batch_size, settings.threads
    if settings.backend == "torch":
        from shared.embedder.sentence_transformer import SentenceTransformerEmbedder

        return SentenceTransformerEmbedder(settings.model, batch_size=size, threads=threads)
    from shared.embedder.onnx_embedder import OnnxEmbedder

    if settings.backend == "onnx":
        from shared.embedder.onnxruntime_session import OnnxRuntimeSession

        return OnnxEmbedder(settings.model, OnnxRuntimeSession, batch_size=size, threads=threads)
    from shared.embedder.openvino_session import OpenVinoSession

    return OnnxEmbedder(settings.model, OpenVinoSession, batch_size=size, threads=threads)
