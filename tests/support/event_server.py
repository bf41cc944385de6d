"""A small EventStreams and MediaWiki server that a test drives: it publishes, cuts and refuses."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOPIC = "eqiad.mediawiki.page_change.v1"
IDLE_TOPIC = "codfw.mediawiki.page_change.v1"
FIRST_MS = 1_795_339_800_000


@dataclass(slots=True)
class EventServer:
    """Published events have the times ``FIRST_MS``, ``FIRST_MS + step_ms``, …"""

    port: int
    step_ms: int = 1
    cut_after: int | None = None
    """Close each stream connection after so many events, in the middle of the next one."""
    pages: dict[str, dict[str, Any]] = field(default_factory=dict)
    refusals: list[int] = field(default_factory=list)
    """Statuses for the next stream requests."""
    connections: list[dict[str, str | None]] = field(default_factory=list)
    extracts: int = 0
    _events: list[bytes] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _generation: int = 0
    _closed: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def publish(self, *events: bytes) -> None:
        with self._changed:
            self._events.extend(events)
            self._changed.notify_all()

    def cut(self) -> None:
        """End every open stream."""
        with self._changed:
            self._generation += 1
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def stream(self, first: int, send: Callable[[bytes], object]) -> None:
        """``send`` each event from index ``first`` on until the stream is cut."""
        generation = self._generation
        send(b":ok\n\n")
        for index in itertools.count(first):
            data = self._wait_for_event(index, generation)
            if data is None:
                return
            frame = self._frame(index, data)
            if index - first == self.cut_after:
                send(frame[: len(frame) // 2])
                return
            send(frame)

    def _wait_for_event(self, index: int, generation: int) -> bytes | None:
        """``None``: the stream is cut."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._generation != generation or len(self._events) > index
            )
            return None if self._closed or self._generation != generation else self._events[index]

    def first_index(self, last_event_id: str | None, since: str | None) -> int:
        """As Kafka does: the first event at or after the time, else the end."""
        if last_event_id is not None:
            moment = next(e["timestamp"] for e in json.loads(last_event_id) if e["topic"] == TOPIC)
        else:
            moment = int(since) if since is not None else FIRST_MS + len(self._events) * self.step_ms
        steps = -(-(moment - FIRST_MS) // self.step_ms)
        return min(max(0, steps), len(self._events))

    def _frame(self, index: int, data: bytes) -> bytes:
        timestamp = FIRST_MS + index * self.step_ms + 1
        event_id = json.dumps(
            [
                {"topic": TOPIC, "partition": 0, "timestamp": timestamp},
                {"topic": IDLE_TOPIC, "partition": 0, "offset": -1},
            ],
            separators=(",", ":"),
        )
        return b"event: message\nid: %b\ndata: %b\n\n" % (event_id.encode(), data)


def page_change(number: int, page_id: int, kind: str = "edit", **changed: Any) -> bytes:
    """The ``number``-th event: revision ``1000 + number`` of a page."""
    body = {
        "$schema": "/mediawiki/page/change/1.2.0",
        "meta": {"id": f"event-{number}", "dt": "2026-11-22T09:30:00.250Z", "domain": "wiki.example"},
        "page_change_kind": kind,
        "dt": "2026-11-22T09:30:00Z",
        "wiki_id": "examplesofwiki",
        "page": {"page_id": page_id, "page_title": f"Page_{page_id}", "namespace_id": 0},
        "performer": {"user_text": "Ada", "is_bot": False},
        "revision": {"rev_id": 1000 + number, "comment": f"change {number}"},
    }
    return json.dumps(body | changed).encode()


def extract(page_id: int, text: str, revision: int) -> dict[str, Any]:
    return {
        "pageid": page_id,
        "ns": 0,
        "title": f"Page {page_id}",
        "extract": text,
        "lastrevid": revision,
        "revisions": [{"revid": revision, "timestamp": "2026-11-22T09:30:00Z"}],
    }


def _handler(server: EventServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if parts.path == "/w/api.php":
                self._extract(query["pageids"])
            else:
                self._stream(query.get("since"))

        def _extract(self, page_id: str) -> None:
            server.extracts += 1
            page = server.pages.get(page_id, {"pageid": int(page_id), "missing": True})
            body = json.dumps({"query": {"pages": [page]}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, since: str | None) -> None:
            last_event_id = self.headers.get("Last-Event-ID")
            server.connections.append({"last_event_id": last_event_id, "since": since})
            if server.refusals:
                self.send_error(server.refusals.pop(0))
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.end_headers()
            with contextlib.suppress(OSError):
                server.stream(server.first_index(last_event_id, since), self.wfile.write)

        def log_message(self, format: str, *args: Any) -> None: ...

    return Handler


@contextlib.contextmanager
def event_server(**options: Any) -> Iterator[EventServer]:
    """Listens on a free port until the block ends."""
    state = EventServer(0, **options)
    http_server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    http_server.daemon_threads = True
    state.port = http_server.server_port
    thread = threading.Thread(target=http_server.serve_forever)
    thread.start()
    try:
        yield state
    finally:
        state.close()
        http_server.shutdown()
        http_server.server_close()
        thread.join()
