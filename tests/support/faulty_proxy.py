"""Between a client and a language model's server, in a process of its own: lets everything through, but does
to chat requests what it is told to. Says ``left`` when the client goes away from an answer that would never
end.

Its orders, each said back when it is in force:
``none``; ``status CODE TIMES [RETRY_AFTER]``; ``drop TIMES`` (close without an answer); ``cut BYTES`` (of
the answer, its head included); ``hang`` (no answer); ``stall BYTES`` (then silence); ``ping`` (one
piece, then signs of life without content); ``body TYPE TEXT`` (an answer of its own); ``count`` (says how
many chat requests came).
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.support.child import Child, child, say

_CHAT = (b"/chat/completions", b"/api/chat")
_ENDLESS = ("stall", "ping")
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class FaultyProxy:
    process: Child
    root: str

    def do(self, fault: str) -> None:
        self.process.obey(fault)

    def count(self) -> int:
        """Chat requests since the last order."""
        self.process.tell("count")
        return int(self.process.line())


@contextlib.contextmanager
def faulty_proxy(upstream: str) -> Iterator[FaultyProxy]:
    """``upstream``: ``http://HOST:PORT``."""
    parts = urlsplit(upstream)
    with child("tests.support.faulty_proxy", str(parts.hostname), str(parts.port)) as process:
        yield FaultyProxy(process, f"http://127.0.0.1:{process.line()}")


class _Proxy:
    def __init__(self, upstream: tuple[str, int]) -> None:
        self._upstream = upstream
        self._lock = threading.Lock()
        self._fault: list[str] = ["none"]
        self._requests = 0

    def order(self, line: str) -> None:
        if line == "count":
            say(str(self._requests))
            return
        with self._lock:
            self._fault = line.split(" ", 2) if line.startswith("body ") else line.split()
            self._requests = 0
        say(line)

    def serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head, body = _read_request(client)
            is_chat = any(path in head.split(b"\r\n", 1)[0] for path in _CHAT)
            fault = self._next_fault() if is_chat else ["none"]
            match fault:
                case ["drop", *_]:
                    return
                case ["status", code, _, *retry_after]:
                    extra = "".join(f"Retry-After: {seconds}\r\n" for seconds in retry_after)
                    _respond(client, code, "application/json", '{"error": "told to"}', extra)
                case ["body", kind, text]:
                    _respond(client, "200", kind, text.replace("\\n", "\n"))
                case ["hang"]:
                    _wait_until_gone(client, ping=False)
                case _:
                    self._forward(client, head, body, fault)

    def _next_fault(self) -> list[str]:
        with self._lock:
            self._requests += 1
            fault = self._fault
            times = {"status": 2, "drop": 1}.get(fault[0])
            if times is not None and self._requests > int(fault[times]):
                return ["none"]
            return fault

    def _forward(self, client: socket.socket, head: bytes, body: bytes, fault: list[str]) -> None:
        limit = int(fault[1]) if fault[0] in ("cut", "stall") else None
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        with socket.create_connection(self._upstream) as server, selectors.DefaultSelector() as selector:
            server.sendall(b"\r\n".join([*lines[:-2], b"Connection: close", b"", b""]) + body)
            selector.register(server, selectors.EVENT_READ)
            selector.register(client, selectors.EVENT_READ)
            begun = False
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if client in ready:  # it sends nothing more, so it is gone
                    if fault[0] in _ENDLESS:
                        say("left")
                    return
                data = server.recv(_CHUNK)
                if not begun:  # or the client would use a connection again that is closed below
                    data = data.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
                    begun = True
                if limit is None:
                    client.sendall(data)
                    if fault[0] == "ping" and _ends_a_piece(data):
                        _wait_until_gone(client, ping=True)
                        return
                elif len(data) < limit:
                    client.sendall(data)
                    limit -= len(data)
                else:
                    client.sendall(data[:limit])
                    if fault[0] == "stall":
                        _wait_until_gone(client, ping=False)
                    return
                if not data:
                    return


def _ends_a_piece(data: bytes) -> bool:
    """A whole chunk of HTTP, not the head before the first."""
    return data.endswith(b"\r\n") and not data.endswith(b"\r\n\r\n")


def _read_request(client: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _received(client)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < length:
        body += _received(client)
    return head + b"\r\n\r\n", body


def _received(client: socket.socket) -> bytes:
    data = client.recv(_CHUNK)
    if not data:
        raise ConnectionResetError
    return data


def _respond(client: socket.socket, code: str, kind: str, text: str, extra: str = "") -> None:
    head = f"HTTP/1.1 {code} Told\r\nContent-Type: {kind}\r\n{extra}Content-Length: {len(text)}\r\n"
    client.sendall(f"{head}Connection: close\r\n\r\n{text}".encode())


def _wait_until_gone(client: socket.socket, *, ping: bool) -> None:
    """A ping is a chunk of HTTP that holds an SSE comment, or to NDJSON a blank line."""
    client.settimeout(0.05)
    with contextlib.suppress(OSError):
        while True:
            try:
                if not client.recv(1):
                    break
            except TimeoutError:
                if ping:
                    client.sendall(b"1\r\n\n\r\n")
    say("left")


def main() -> None:
    proxy = _Proxy((sys.argv[1], int(sys.argv[2])))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        say(str(listener.getsockname()[1]))
        threading.Thread(target=_accept, args=(listener, proxy), daemon=True).start()
        for line in sys.stdin:
            proxy.order(line.strip())


def _accept(listener: socket.socket, proxy: _Proxy) -> None:
    while True:
        client, _ = listener.accept()
        threading.Thread(target=proxy.serve, args=(client,), daemon=True).start()


if __name__ == "__main__":
    main()
