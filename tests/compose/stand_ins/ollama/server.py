"""``ollama serve``."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path

from library import Library
from ollama_protocol import Handler, Ollama


def serve(environment: Mapping[str, str]) -> None:
    """Until it is told to stop. Heeds OLLAMA_HOST and OLLAMA_MODELS."""
    host, _, port = environment["OLLAMA_HOST"].rpartition(":")
    models = environment.get("OLLAMA_MODELS") or str(Path.home() / ".ollama" / "models")
    Handler.ollama = Ollama(Library(Path(models)))
    server = ThreadingHTTPServer((host or "127.0.0.1", int(port)), Handler)
    server.daemon_threads = True
    # llama.cpp's own threads do not end in time.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    print(f"Listening on {host}:{port}, models in {models}", flush=True)
    server.serve_forever()
