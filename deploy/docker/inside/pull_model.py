"""In a container of the api: have Ollama fetch the language model, and pass its reports on, a JSON line each.

The last line says ``{"status": "success"}``, or what was wrong: ``{"error": …}``. The api itself asks Ollama
for the same at its start; Ollama fetches a model once for all who ask.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from http.client import HTTPResponse

from shared.llm.ollama import DEFAULT_MODEL
from shared.settings import LLMSettings, load_settings

_UP_WITHIN = 120.0
_SILENCE = 600.0


def main() -> None:
    settings = load_settings(LLMSettings)
    model = settings.model or DEFAULT_MODEL
    report(status="waiting", model=model)
    try:
        if not has_model(settings.ollama_url, model):
            if not settings.ollama_pull:
                report(error=f"Ollama does not have {model}, and OLLAMA_PULL=false")
                return
            pull(settings.ollama_url, model)
        report(status="success")
    except urllib.error.HTTPError as error:
        report(error=f"{error.code}: {error.read().decode('utf-8', errors='replace')[:300]}")
    except (OSError, ValueError) as error:
        report(error=str(error))


def has_model(url: str, model: str) -> bool:
    deadline = time.monotonic() + _UP_WITHIN
    while True:
        try:
            with post(url, "/api/show", model, timeout=20):
                return True
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return False
            raise
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def pull(url: str, model: str) -> None:
    with post(url, "/api/pull", model, timeout=_SILENCE) as lines:
        for line in lines:
            step = json.loads(line)
            if "error" in step:
                raise ValueError(step["error"])
            if step.get("status") != "success":
                report(**step)


def post(url: str, path: str, model: str, *, timeout: float) -> HTTPResponse:
    request = urllib.request.Request(  # noqa: S310 - OLLAMA_URL is checked to be http
        url.rstrip("/") + path,
        data=json.dumps({"model": model}).encode(),
        headers={"Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    response: HTTPResponse = opener.open(request, timeout=timeout)
    return response


def report(**step: object) -> None:
    print(json.dumps(step), flush=True)


if __name__ == "__main__":
    main()
