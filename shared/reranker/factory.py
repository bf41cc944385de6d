"""Settings to reranker."""

from __future__ import annotations

from shared.errors import ConfigurationError
from shared.onnx.export import RuntimeMissing
from shared.ports import Reranker
from shared.settings import RerankerSettings


def build_reranker(settings: RerankerSettings) -> Reranker | None:
    """``None`` for RERANKER=none.

    :raises ModelMissing: what RERANKER_MODEL names is not on this machine, or is not a cross-encoder.
    :raises ConfigurationError: a package that RERANKER needs is not installed.
    """
    if settings.kind == "none":
        return None
    from shared.onnx.openvino_session import OpenVinoSession
    from shared.reranker.cross_encoder import CrossEncoderReranker

    try:
        return CrossEncoderReranker(settings.model or "", OpenVinoSession, threads=settings.threads)
    except RuntimeMissing as error:
        raise ConfigurationError(f"RERANKER={settings.kind}: {error}") from None
