"""A receiver of traces: OTLP over HTTP with protobuf, as collectors speak it."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.processes import wait_until

_STUCK = 60.0


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """Ids in hexadecimal; ``parent``: empty for a root. ``links``: span ids."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    attributes: Mapping[str, Any]
    events: Mapping[str, Mapping[str, Any]]
    failed: bool
    resource: Mapping[str, Any]


@dataclass
class OtlpReceiver:
    url: str = ""
    status: int = 200
    spans: list[ReceivedSpan] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released with each request, before it is answered."""
    open: threading.Event = field(default_factory=threading.Event)
    """While it is not set, nothing is answered."""

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        self.headers.append(headers)
        self.arrived.release()
        assert self.open.wait(_STUCK)
        if self.status == 200:
            content = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
            self.spans += _decoded(ExportTraceServiceRequest.FromString(content))
        return self.status

    def of(self, service: str, name: str | None = None) -> list[ReceivedSpan]:
        return [span for span in self.spans if span.service == service and name in (None, span.name)]

    def one(self, service: str, name: str, **attributes: object) -> ReceivedSpan:
        """The only one with these attributes, whose names have ``_`` for a dot."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        found = [
            span
            for span in self.of(service, name)
            if all(span.attributes.get(key) == value for key, value in wanted.items())
        ]
        assert len(found) == 1, (name, wanted, [(span.service, span.name) for span in self.spans])
        return found[0]

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(condition, _STUCK, f"{what}; received: {sorted({span.name for span in self.spans})}")


@contextmanager
def otlp_receiver(port: int = 0) -> Iterator[OtlpReceiver]:
    """Listens on loopback, until the end of the block; answers at once unless ``open`` is cleared."""
    receiver = OtlpReceiver()
    receiver.open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
            status = receiver.take(dict(self.headers), body) if known else 404
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="otlp-receiver")
    thread.start()
    try:
        yield receiver
    finally:
        receiver.open.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _decoded(request: ExportTraceServiceRequest) -> Iterator[ReceivedSpan]:
    for group in request.resource_spans:
        resource = _attributes(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                yield ReceivedSpan(
                    service=resource["service.name"],
                    name=span.name,
                    kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    links=tuple(link.span_id.hex() for link in span.links),
                    attributes=_attributes(span.attributes),
                    events={event.name: _attributes(event.attributes) for event in span.events},
                    failed=span.status.code == 2,
                    resource=resource,
                )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {item.key: _value(item.value) for item in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, str(kind))
