"""Settings to reader."""

from __future__ import annotations

from shared.errors import ConfigurationError
from shared.onnx.export import RuntimeMissing
from shared.ports import Reader
from shared.settings import ReaderSettings


def build_reader(settings: ReaderSettings) -> Reader | None:
    """``None`` for READER=none.

    :raises ModelMissing: what READER_MODEL names is not on this machine, or does not answer questions.
    :raises ConfigurationError: a package that READER needs is not installed.
    """
    if settings.kind == "none":
        return None
    from shared.onnx.openvino_session import OpenVinoSession
    from shared.reader.question_answering import QuestionAnsweringReader

    try:
        return QuestionAnsweringReader(settings.model or "", OpenVinoSession, threads=settings.threads)
    except RuntimeMissing as error:
        raise ConfigurationError(f"READER={settings.kind}: {error}") from None
