"""Ollama's protocol over HTTP, with llama.cpp behind it. Stands alone: a stand-in image has this file too."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar, Protocol

import httpx

_NOW = "2026-11-23T12:00:00.000000Z"
Message = dict[str, Any]


class Library(Protocol):
    """What a server has, how it gets more, and what writes its answers."""

    @property
    def engine(self) -> Any:
        """An ``xllamacpp.Server``."""
        ...

    def installed(self) -> dict[str, int]:
        """The context of each model, by its name with its tag."""
        ...

    def pull(self, name: str) -> Iterator[Message]:
        """Fetch a model; yields what Ollama says meanwhile, up to ``success``.

        :raises UnknownModel: there is none of this name.
        """
        ...


@dataclass(slots=True)
class Ollama:
    """``loaded``: the context of each model in memory, as it was asked for. ``heeds_truncate``: as it does
    since there is that option. ``left``: told how many pieces a client took that went away."""

    library: Library
    loaded: dict[str, int] = field(default_factory=dict)
    heeds_truncate: bool = True
    left: Callable[[int], None] = lambda pieces: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def context_of(self, name: str) -> int:
        try:
            return self.library.installed()[name]
        except KeyError:
            raise Refused(404, f"model '{name}' not found") from None


class UnknownModel(Exception):
    """It can neither be run nor pulled."""


class Refused(Exception):
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ollama: ClassVar[Ollama]

    def do_GET(self) -> None:
        if self.path == "/api/tags":
            self._send(
                200, {"models": [{"name": name, "model": name} for name in self.ollama.library.installed()]}
            )
        elif self.path == "/api/ps":
            models = [
                {"name": name, "model": name, "expires_at": _NOW, "context_length": context}
                for name, context in self.ollama.loaded.items()
            ]
            self._send(200, {"models": models})
        else:
            self._send(404, {"error": "not found"})

    def do_HEAD(self) -> None:
        self.send_response(200 if self.path == "/" else 404)
        self.end_headers()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        routes: dict[str, Callable[[Message], None]] = {
            "/api/show": self._show,
            "/api/pull": self._pull,
            "/api/chat": self._chat,
        }
        try:
            routes[self.path](body)
        except Refused as refused:
            self._send(refused.status, {"error": str(refused)})

    def _show(self, body: Message) -> None:
        context = self.ollama.context_of(tagged(body["model"]))
        self._send(
            200,
            {
                "details": {"format": "gguf", "family": "llama"},
                "model_info": {"general.architecture": "llama", "llama.context_length": context},
                "capabilities": ["completion"],
            },
        )

    def _pull(self, body: Message) -> None:
        name = tagged(body["model"])
        self._begin_stream()
        self._piece({"status": "pulling manifest"})
        try:
            for said in self.ollama.library.pull(name):
                self._piece(said)
        except UnknownModel:
            self._piece({"error": "pull model manifest: file does not exist"})
        self._end_stream()

    def _chat(self, body: Message) -> None:
        name, options = tagged(body["model"]), body.get("options", {})
        context = min(int(options.get("num_ctx", 4096)), self.ollama.context_of(name))
        if isinstance(body.get("keep_alive"), str) and body["keep_alive"].lstrip("-").isdigit():
            raise Refused(400, f'time: missing unit in duration "{body["keep_alive"]}"')
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
        tokens = prompt_tokens(self.ollama.library.engine, body["messages"])
        if len(tokens) > context:
            if self.ollama.heeds_truncate and body.get("truncate") is False:
                raise Refused(
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
            self.ollama.library.engine.handle_completions(request, on_chunk)
        if gone:
            self.close_connection = True
            self.ollama.left(len(pieces))
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
        """Requests are not of interest."""


def tagged(name: str) -> str:
    return name if ":" in name else f"{name}:latest"


def prompt_tokens(engine: Any, messages: list[Message]) -> list[int]:
    """Through the engine's own template and tokenizer."""
    with httpx.Client(base_url=engine.listening_address, trust_env=False, timeout=60) as client:
        prompt = client.post("/apply-template", json={"messages": messages}).json()["prompt"]
        return list(client.post("/tokenize", json={"content": prompt}).json()["tokens"])
