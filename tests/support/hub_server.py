"""As much of the Hugging Face hub's protocol as its client needs to fetch a repository."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "c" * 40


@dataclass
class Hub:
    """``folder``: the one repository's files. ``refuse``: answer with this status. ``fetched``: the files
    that were sent."""

    url: str
    repository: str
    folder: Path
    refuse: int | None = None
    requests: int = 0
    fetched: set[str] = field(default_factory=set)


@contextmanager
def hub_of(repository: str, folder: Path) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, hub, with_body=True)

        def do_HEAD(self) -> None:
            _answer(self, hub, with_body=False)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub = Hub(f"http://127.0.0.1:{server.server_port}", repository, folder)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(handler: BaseHTTPRequestHandler, hub: Hub, *, with_body: bool) -> None:
    hub.requests += 1
    path = handler.path.partition("?")[0]
    files = {str(file.relative_to(hub.folder)): file for file in hub.folder.rglob("*") if file.is_file()}
    name = path.removeprefix(f"/{hub.repository}/resolve/{COMMIT}/")
    status, body = 404, b""
    if hub.refuse is not None:
        status = hub.refuse
    elif path == f"/api/models/{hub.repository}/revision/main":
        status, body = 200, json.dumps({"id": hub.repository, "sha": COMMIT, "siblings": []}).encode()
    elif path == f"/api/models/{hub.repository}/tree/{COMMIT}":
        listing = [
            {"type": "file", "path": name, "size": file.stat().st_size, "oid": _hash(file.read_bytes())}
            for name, file in files.items()
        ]
        status, body = 200, json.dumps(listing).encode()
    elif name in files:
        status, body = 200, files[name].read_bytes()
        if with_body:
            hub.fetched.add(name)
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.send_header("ETag", f'"{_hash(body)}"')
    handler.send_header("X-Repo-Commit", COMMIT)
    if status == 404:
        handler.send_header("X-Error-Code", "RepoNotFound")
    handler.end_headers()
    if with_body:
        handler.wfile.write(body)


def _hash(body: bytes) -> str:
    return hashlib.sha1(body, usedforsecurity=False).hexdigest()
