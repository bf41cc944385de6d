"""Where the files of a model are: a folder, the cache of the Hugging Face hub, or the hub itself."""

from __future__ import annotations

import os
from pathlib import Path

from shared.errors import LLMUnavailable, ModelMissing

# Neither pickled weights nor code; nothing of the other formats that a repository may hold in folders.
_WANTED = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
_UNWANTED = ["*/*", "consolidated*"]
_FIRST_SERVER_ERROR = 500
_TRUE = frozenset(("1", "on", "yes", "true"))


def find_files(model: str) -> Path:
    """The folder with the files of ``model``: itself, or a repository's snapshot in the cache, which is
    fetched where it is not complete. What is in the cache is never asked for again, so that a model
    changes only when somebody fetches another.

    :raises ModelMissing: there is no such model, or HF_HUB_OFFLINE=1 forbids fetching it.
    :raises LLMUnavailable: it is to be fetched, but the hub does not answer.
    """
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(model, allow_patterns=_WANTED, ignore_patterns=_UNWANTED, local_files_only=True)
        )
    except HFValidationError:
        raise model_missing(model, "neither a folder nor the name of a repository") from None
    except LocalEntryNotFoundError as error:
        if _is_offline():
            raise model_missing(model, "it is not in the cache, and HF_HUB_OFFLINE=1") from error
    return _fetch(model)


def model_missing(model: str, why: str) -> ModelMissing:
    """One line with the cure; ``why`` may have more."""
    cure = f"set HF_HUB_OFFLINE=0, or run 'hf download {model}' where there is a network; or "
    return ModelMissing(
        f"LLM_MODEL={model}: cannot be loaded ({first_line(why)}); "
        f"{'' if Path(model).is_dir() else cure}name a folder with a model in safetensors that generates "
        "text, or set LLM=llamacpp or LLM=extractive"
    )


def first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _fetch(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(model, allow_patterns=_WANTED, ignore_patterns=_UNWANTED))
    except HfHubHTTPError as error:
        if error.response.status_code < _FIRST_SERVER_ERROR:
            raise model_missing(model, f"the hub does not give it: {error}") from error
        raise _unreachable(model, error) from error
    except Exception as error:
        # Whatever the hub's client lets through of its own network library.
        raise _unreachable(model, error) from error


def _unreachable(model: str, error: Exception) -> LLMUnavailable:
    reason = first_line(str(error)) or type(error).__name__
    return LLMUnavailable(f"LLM_MODEL={model}: it is not in the cache, and cannot be fetched ({reason})")


def _is_offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in _TRUE
