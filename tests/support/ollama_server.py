"""A server that speaks Ollama's protocol, in a process of its own; what it writes is written by the packaged
model. Arguments: the models that it has, as ``NAME`` or ``NAME@CONTEXT``.

Its orders, each said back when it is done: ``old`` (cut what does not fit, whatever the request says, as
Ollama did before it had ``truncate``), ``new``, ``evict`` (nothing is in memory), ``remove MODEL``.
It says ``left N`` when a client went away after ``N`` pieces.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from typing import Any

import xllamacpp

from tests.support.child import Child, child, say
from tests.support.llama_server import packaged_params
from tests.support.ollama_protocol import Handler, Message, Ollama, UnknownModel, tagged

LIBRARY = {"smollm2:135m": 8192, "smollm2:latest": 8192}
"""What can be pulled, and its context."""
_REAL_CONTEXT = 4096


@dataclass(frozen=True, slots=True)
class OllamaServer:
    process: Child
    url: str


@contextlib.contextmanager
def ollama_server(*models: str) -> Iterator[OllamaServer]:
    with child("tests.support.ollama_server", *models) as process:
        yield OllamaServer(process, process.line())


@dataclass(slots=True)
class _PackagedLibrary:
    engine: Any
    models: dict[str, int]

    def installed(self) -> dict[str, int]:
        return self.models

    def pull(self, name: str) -> Iterator[Message]:
        if name not in LIBRARY:
            raise UnknownModel
        layer = {"status": "pulling 9f8c7b6a5d4e", "digest": "sha256:9f8c7b6a5d4e", "total": 1000}
        for completed in range(0, 1001, 50):
            yield {**layer, "completed": completed}
        for status in ("verifying sha256 digest", "writing manifest", "success"):
            yield {"status": status}
        self.models[name] = LIBRARY[name]


def _obey(order: str, ollama: Ollama, models: dict[str, int]) -> None:
    match order.split():
        case ["old" | "new" as age]:
            ollama.heeds_truncate = age == "new"
        case ["evict"]:
            ollama.loaded.clear()
        case ["remove", model]:
            del models[tagged(model)]
    say(order)


def main() -> None:
    models = {}
    for argument in sys.argv[1:]:
        name, _, context = argument.partition("@")
        models[tagged(name)] = int(context or 8192)
    library = _PackagedLibrary(xllamacpp.Server(packaged_params(_REAL_CONTEXT)), models)
    Handler.ollama = Ollama(library, left=lambda pieces: say(f"left {pieces}"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(f"http://127.0.0.1:{server.server_address[1]}")
    for line in sys.stdin:
        _obey(line.strip(), Handler.ollama, models)


if __name__ == "__main__":
    main()
