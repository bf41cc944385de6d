"""Answers over a real socket: the application on uvicorn, in this process, with a model that a test leads."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from opentelemetry.sdk.trace import TracerProvider
from starlette.types import ASGIApp

from services.api.answering.question_embedder import QuestionEmbedder
from services.api.app import create_app
from services.api.auth import KeyRing
from services.api.dependencies import Dependencies, Names
from services.api.publisher import DocumentPublisher
from services.api.readiness import Readiness
from services.api.settings import ApiSettings
from services.api.versions import VersionLedger
from shared.clock import SystemClock
from shared.domain import Chunk, Document, Prompt
from shared.embedder.hashing import HashingEmbedder
from shared.llm.extractive import ExtractiveLLM
from shared.messaging.memory_broker import MemoryBroker
from shared.ports import EmbeddedDocument
from shared.vector_store.memory_store import MemoryStore
from tests.support.answering import AnsweringBench, answering
from tests.support.api_process import KEY, write_key

QUESTION = "How many people has the earthquake in Velmora killed?"
TEXT = "The earthquake in Velmora has killed 41 people."
_STUCK = 60.0


class LedLLM(ExtractiveLLM):
    """Says what ``say`` hands it, until ``finish``; ``closed`` is set once its stream is."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.closed = threading.Event()
        self._script: Callable[[], Iterator[str]] = lambda: iter(())

    def follow(self, script: Callable[[], Iterator[str]]) -> None:
        self._script = script

    def stream(self, prompt: Prompt) -> Generator[str, None, None]:
        self.asked.set()
        try:
            yield from self._script()
        finally:
            self.closed.set()


class ServedAnswers:
    def __init__(self, port: int, llm: LedLLM, store: MemoryStore, bench: AnsweringBench) -> None:
        self.port = port
        self.base_url = f"http://127.0.0.1:{port}"
        self.llm = llm
        self.store = store
        self._bench = bench

    def outcomes(self, outcome: str) -> float | None:
        return self._bench.registry.get_sample_value("rag_requests_total", {"outcome": outcome})

    def wait_until_followed(self) -> None:
        """Until what was there at the beginning has been taken in."""
        assert self._bench.follower.catch_up(_STUCK)

    def post(self, path: str, body: dict[str, object]) -> socket.socket:
        """A connection on which the request has been sent; nothing has been read yet."""
        content = json.dumps(body).encode()
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=_STUCK)
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        return connection


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    received = b""
    while wanted not in received:
        part = connection.recv(65_536)
        assert part, f"the connection ended after {received!r}"
        received += part
    return received


@contextlib.contextmanager
def served(app: ASGIApp) -> Iterator[int]:
    """``app`` on a real uvicorn; the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name="served")
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(_STUCK)
            assert not thread.is_alive()


@contextlib.contextmanager
def served_answers(folder: Path, *, follows: bool = True) -> Iterator[ServedAnswers]:
    """One document is indexed: ``TEXT``, which answers ``QUESTION``. ``follows``: the store, also while
    nobody asks."""
    write_key(folder)
    embedder, llm, store, broker = HashingEmbedder(), LedLLM(), MemoryStore(), MemoryBroker()
    document = Document("w:1", "wikimedia", "Velmora", TEXT, "", 1, datetime.now(UTC))
    chunks = (Chunk("w:1", 0, TEXT, TEXT),)
    store.replace([EmbeddedDocument(document, chunks, tuple(embedder.embed([TEXT])))])
    clock, producer = SystemClock(), broker.producer()
    with answering(store, llm) as bench, contextlib.closing(producer):
        app = create_app(
            Dependencies(
                settings=ApiSettings(threads=4, _env_file=None),
                answering=bench.service,
                question_embedder=QuestionEmbedder(embedder),
                store=store,
                publisher=DocumentPublisher(producer, "documents", 5.0, clock, bench.metrics),
                versions=VersionLedger(clock),
                watches=bench.board,
                readiness=Readiness({}, clock),
                names=Names(embedder="hashing", llm="led", store="memory"),
                keys=KeyRing(folder / "api-keys"),
                metrics=bench.metrics,
                registry=bench.registry,
                tracer=TracerProvider().get_tracer("test"),
                clock=clock,
                started=clock.monotonic(),
                search_threads=2,
            )
        )
        if follows:
            bench.follower.start()
        with served(app) as port, contextlib.closing(bench.board):
            yield ServedAnswers(port, llm, store, bench)
