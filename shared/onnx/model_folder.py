"""Where the files of a model are: a folder, the cache of the Hugging Face hub, or the hub itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import ModelMissing
from shared.onnx.export import RuntimeMissing, UnusableExport

_WANTED = ["*.json", "model.onnx", "model.onnx_data", "onnx/model.onnx", "onnx/model.onnx_data"]
_UNWANTED = [f"{other}/*.json" for other in ("openvino", "coreml", "tensorrt")]


def model_folder(model: str) -> Path:
    """``model``: a folder, or a repository of the hub. What is in the cache is never asked for again, so
    that a model changes only when somebody fetches another.

    :raises UnusableExport: there is no such folder or repository, or it cannot be fetched.
    :raises RuntimeMissing: it may be a repository, but the hub's client is not installed.
    """
    if not model:
        raise UnusableExport("it is not set")
    if Path(model).is_dir():
        return Path(model)
    if Path(model).is_absolute() or model.startswith("."):
        raise UnusableExport("no such folder")
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ImportError:
        raise RuntimeMissing("huggingface-hub") from None

    def snapshot(*, from_cache: bool) -> Path:
        return Path(
            snapshot_download(
                model, allow_patterns=_WANTED, ignore_patterns=_UNWANTED, local_files_only=from_cache
            )
        )

    try:
        return snapshot(from_cache=True)
    except HFValidationError:
        raise UnusableExport("neither a folder nor the name of a repository") from None
    except LocalEntryNotFoundError:
        return _fetched(snapshot)


def _fetched(snapshot: Callable[..., Path]) -> Path:
    try:
        return snapshot(from_cache=False)
    except Exception as error:
        # Whatever the hub's client lets through of its own network library, too.
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UnusableExport(
            f"it is not in the Hugging Face cache and cannot be fetched: {reason}"
        ) from error


@contextmanager
def refused(family: str, model: str, what: str) -> Iterator[None]:
    """Whatever makes ``model`` unusable within becomes one line with the cure.

    ``family``: of settings (``RERANKER``); ``what`` the model should be.

    :raises ModelMissing: it is unusable.
    """
    try:
        yield
    except UnusableExport as error:
        raise ModelMissing(
            f"{family}_MODEL={model}: cannot be used as {what} ({error}); name a folder with model.onnx or "
            f"onnx/model.onnx and tokenizer.json, or a repository of the Hugging Face hub that has them, or "
            f"set {family}=none"
        ) from error
