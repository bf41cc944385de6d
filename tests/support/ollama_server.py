"""A server that speaks Ollama's protocol, in a process of its own; what it writes is written by the packaged
model. Arguments: the models that it has, as ``NAME`` or ``NAME@CONTEXT``.

Its orders, each said back when it is done: ``old`` (cut what does not fit, whatever the request says, as
Ollama did before it had ``truncate``), ``new``, ``evict`` (nothing is in memory), ``remove MODEL``.
It says ``left N`` when a client went away after ``N`` pieces.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import httpx
import xllamacpp

from tests.support.child import Child, child, say
from tests.support.llama_server import packaged_params

LIBRARY = {"smollm2:135m": 8192, "smollm2:latest": 8192}
"""What can be pulled, and its context."""
_REAL_CONTEXT = 4096
_NOW = "2026-11-23T12:00:00.000000Z"
Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OllamaServer:
    process: Child
    url: str


@contextlib.contextmanager
def ollama_server(*models: str) -> Iterator[OllamaServer]:
    with child("tests.support.ollama_server", *models) as process:
        yield OllamaServer(process, process.line())


@dataclass(slots=True)
class _Ollama:
    """``installed`` and ``loaded``: the context of each model; of those loaded, as it was asked for."""

    engine: Any
    installed: dict[str, int]
    loaded: dict[str, int] = field(default_factory=dict)
    heeds_truncate: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)

    def order(self, line: str) -> None:
        match line.split():
            case ["old" | "new" as age]:
                self.heeds_truncate = age == "new"
            case ["evict"]:
                self.loaded.clear()
            case ["remove", model]:
                del self.installed[_tagged(model)]
        say(line)

    def prompt_tokens(self, messages: list[Message]) -> list[int]:
        """Through the engine's own template and tokenizer."""
        with httpx.Client(base_url=self.engine.listening_address, trust_env=False, timeout=60) as engine:
            prompt = engine.post("/apply-template", json={"messages": messages}).json()["prompt"]
            return list(engine.post("/tokenize", json={"content": prompt}).json()["tokens"])


class _Refused(Exception):
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ollama: ClassVar[_Ollama]

    def do_GET(self) -> None:
        if self.path == "/api/tags":
            self._send(200, {"models": [{"name": name, "model": name} for name in self.ollama.installed]})
        elif self.path == "/api/ps":
            models = [
                {"name": name, "model": name, "expires_at": _NOW, "context_length": context}
                for name, context in self.ollama.loaded.items()
            ]
            self._send(200, {"models": models})
        else:
            self._send(404, {"error": "not found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        routes: dict[str, Callable[[Message], None]] = {
            "/api/show": self._show,
            "/api/pull": self._pull,
            "/api/chat": self._chat,
        }
        try:
            routes[self.path](body)
        except _Refused as refused:
            self._send(refused.status, {"error": str(refused)})

    def _show(self, body: Message) -> None:
        context = self._context_of(body["model"])
        self._send(
            200,
            {
                "details": {"format": "gguf", "family": "llama"},
                "model_info": {"general.architecture": "llama", "llama.context_length": context},
                "capabilities": ["completion"],
            },
        )

    def _pull(self, body: Message) -> None:
        name = _tagged(body["model"])
        self._begin_stream()
        self._piece({"status": "pulling manifest"})
        if name not in LIBRARY:
            self._piece({"error": "pull model manifest: file does not exist"})
        else:
            layer = {"status": "pulling 9f8c7b6a5d4e", "digest": "sha256:9f8c7b6a5d4e", "total": 1000}
            for completed in range(0, 1001, 50):
                self._piece({**layer, "completed": completed})
            for status in ("verifying sha256 digest", "writing manifest", "success"):
                self._piece({"status": status})
            self.ollama.installed[name] = LIBRARY[name]
        self._end_stream()

    def _chat(self, body: Message) -> None:
        name, options = _tagged(body["model"]), body.get("options", {})
        context = min(int(options.get("num_ctx", 4096)), self._context_of(name))
        if isinstance(body.get("keep_alive"), str) and body["keep_alive"].lstrip("-").isdigit():
            raise _Refused(400, f'time: missing unit in duration "{body["keep_alive"]}"')
        self.ollama.loaded[name] = context
        last = {
            "model": name,
            "created_at": _NOW,
            "message": {"role": "assistant", "content": ""},
            "done": True,
        }
        if not body["messages"]:
            self._send(200, {**last, "done_reason": "load"})
            return
        tokens = self.ollama.prompt_tokens(body["messages"])
        if len(tokens) > context:
            if self.ollama.heeds_truncate and body.get("truncate") is False:
                raise _Refused(
                    400,
                    f"request ({len(tokens)} tokens) exceeds the available context size ({context} tokens)",
                )
            tokens = tokens[-(context // 2) :]
        self._generate(body, last, tokens, int(options.get("num_predict", -1)), context)

    def _generate(self, body: Message, last: Message, tokens: list[int], most: int, context: int) -> None:
        streams = body.get("stream", True)
        room = context - len(tokens)
        request = {
            "prompt": tokens,
            "max_tokens": room if most < 0 else min(most, room),
            "temperature": body.get("options", {}).get("temperature", 0.8),
            "stream": True,
        }
        pieces: list[str] = []
        gone = False
        reasons: list[str] = []

        def on_chunk(chunk: Any) -> bool:
            """True ends the generation."""
            nonlocal gone
            for choice in chunk.get("choices", ()):
                if reason := choice.get("finish_reason"):
                    reasons.append(reason)
                if not (text := choice.get("text")):
                    continue
                pieces.append(text)
                if not streams:
                    continue
                try:
                    self._piece({**last, "message": {"role": "assistant", "content": text}, "done": False})
                except OSError:
                    gone = True
            return gone

        with self.ollama.lock:
            if streams:
                self._begin_stream()
            self.ollama.engine.handle_completions(request, on_chunk)
        if gone:
            self.close_connection = True
            say(f"left {len(pieces)}")
            return
        last |= {
            "done_reason": "length" if reasons[-1:] == ["length"] else "stop",
            "prompt_eval_count": len(tokens),
            "eval_count": len(pieces),
        }
        if streams:
            self._piece(last)
            self._end_stream()
        else:
            self._send(200, {**last, "message": {"role": "assistant", "content": "".join(pieces)}})

    def _context_of(self, model: str) -> int:
        try:
            return self.ollama.installed[_tagged(model)]
        except KeyError:
            raise _Refused(404, f"model '{model}' not found") from None

    def _send(self, status: int, body: Message) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _piece(self, body: Message) -> None:
        data = json.dumps(body, ensure_ascii=False).encode() + b"\n"
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _end_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Its output is for the test."""


def _tagged(name: str) -> str:
    return name if ":" in name else f"{name}:latest"


def main() -> None:
    installed = {}
    for argument in sys.argv[1:]:
        name, _, context = argument.partition("@")
        installed[_tagged(name)] = int(context or 8192)
    _Handler.ollama = _Ollama(xllamacpp.Server(packaged_params(_REAL_CONTEXT)), installed)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(f"http://127.0.0.1:{server.server_address[1]}")
    for line in sys.stdin:
        _Handler.ollama.order(line.strip())


if __name__ == "__main__":
    main()
