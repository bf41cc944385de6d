"""Which models an Ollama has, and fetching one that it has not."""

from __future__ import annotations

import logging
import threading
from typing import Any

from shared.errors import LLMUnavailable, ModelMissing
from shared.llm.server import ModelServer, StatusError, parse_object

log = logging.getLogger(__name__)

_STEP_PERCENT = 10
_SILENCE_SECONDS = 600.0
"""Of a download: checking a large file takes a while."""
_DEFAULT_TAG = ":latest"
_UNKNOWN = ("file does not exist", "not found", "invalid model name")


def ensure_model(server: ModelServer, model: str, *, pull: bool, stop: threading.Event) -> dict[str, Any]:
    """What ``/api/show`` says of the model, which is fetched first where it is missing and ``pull`` is set.

    :raises ModelMissing: it is not there and is not, or cannot be, fetched.
    :raises LLMUnavailable: Ollama is away, or the download broke off: it goes on there at the next call.
    """
    shown = _show(server, model)
    if shown is not None:
        return shown
    if not pull:
        raise ModelMissing(
            f"LLM_MODEL={model}: Ollama does not have it and OLLAMA_PULL=false; run 'ollama pull {model}'"
        )
    _pull(server, model, stop)
    shown = _show(server, model)
    if shown is None:
        raise server.failed(f"has pulled {model} and does not have it")
    return shown


def same_model(one: str, other: str) -> bool:
    """A name without a tag means the tag ``latest``."""
    return _tagged(one) == _tagged(other)


def _tagged(name: str) -> str:
    return name if ":" in name.rsplit("/", 1)[-1] else name + _DEFAULT_TAG


def _show(server: ModelServer, model: str) -> dict[str, Any] | None:
    try:
        return server.post_json("/api/show", {"model": model})
    except StatusError as error:
        if error.status == 404:
            return None
        if error.status == 400:
            raise ModelMissing(f"LLM_MODEL={model}: not a name that Ollama takes ({error.detail})") from None
        raise


def _pull(server: ModelServer, model: str, stop: threading.Event) -> None:
    log.info("pulling the language model", extra={"model": model})
    progress = _Progress(model)
    try:
        with server.post_for_lines("/api/pull", {"model": model}, _SILENCE_SECONDS) as lines:
            for line in lines:
                if stop.is_set():
                    raise LLMUnavailable("stopped while pulling the language model")
                if not line:
                    continue
                step = parse_object(line, server.failed)
                if "error" in step:
                    raise _refusal(server, model, str(step["error"]))
                progress.report(step)
                if step.get("status") == "success":
                    return
    except StatusError as error:
        raise _refusal(server, model, error.detail) from error
    raise server.failed(f"stopped in the middle of pulling {model}")


def _refusal(server: ModelServer, model: str, reason: str) -> Exception:
    if any(words in reason.lower() for words in _UNKNOWN):
        return ModelMissing(
            f"LLM_MODEL={model}: Ollama cannot pull it ({reason}); 'ollama list' shows what it has"
        )
    return server.failed(f"could not pull {model}: {reason}")


class _Progress:
    """A line in the log for each tenth of a layer, not for each of the thousands of reports."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._reported: dict[str, int] = {}

    def report(self, step: dict[str, Any]) -> None:
        status = str(step.get("status"))
        total, completed = step.get("total"), step.get("completed")
        if not isinstance(total, int) or total <= 0:
            percent = 0
        else:
            percent = (completed if isinstance(completed, int) else 0) * 100 // total
        percent -= percent % _STEP_PERCENT
        if self._reported.get(status, -1) < percent:
            self._reported[status] = percent
            log.info(
                "pulling the language model: %s", status, extra={"model": self._model, "percent": percent}
            )
