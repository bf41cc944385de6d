"""Settings to embedder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import ConfigurationError
from shared.onnx.export import RuntimeMissing
from shared.ports import Embedder
from shared.settings import EmbedderSettings

if TYPE_CHECKING:
    from shared.onnx.session import SessionOpener


def build_embedder(settings: EmbedderSettings) -> Embedder:
    """:raises ModelMissing: what EMBEDDER_MODEL names is not on this machine, or not for this backend.
    :raises ConfigurationError: the packages of EMBEDDER_BACKEND are not installed.
    """
    if settings.kind == "hashing":
        from shared.embedder.hashing import HashingEmbedder

        return HashingEmbedder()
    if settings.backend == "torch":
        from shared.embedder.sentence_transformer import SentenceTransformerEmbedder

        return SentenceTransformerEmbedder(
            settings.model, batch_size=settings.batch_size, threads=settings.threads
        )
    return _on_onnx(settings)


def _on_onnx(settings: EmbedderSettings) -> Embedder:
    from shared.embedder.onnx_embedder import OnnxEmbedder

    try:
        return OnnxEmbedder(
            settings.model,
            _session_opener(settings),
            batch_size=settings.batch_size,
            threads=settings.threads,
        )
    except RuntimeMissing as error:
        raise ConfigurationError(f"EMBEDDER_BACKEND={settings.backend}: {error}") from None


def _session_opener(settings: EmbedderSettings) -> SessionOpener:
    if settings.backend == "onnx":
        from shared.onnx.onnxruntime_session import OnnxRuntimeSession

        return OnnxRuntimeSession
    from shared.onnx.openvino_session import OpenVinoSession

    return OpenVinoSession
