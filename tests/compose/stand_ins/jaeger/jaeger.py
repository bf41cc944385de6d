#!/opt/stand-ins/bin/python
"""OTLP over HTTP on 4318, Jaeger's query API on 16686, health on 13133, metrics on 8888. In memory."""

from __future__ import annotations

import gzip
import json
import re
import signal
import sys
import threading
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

_MOST_TRACES = 10_000
Span = dict[str, Any]


class Traces:
    """Spans by the id of their trace."""

    def __init__(self) -> None:
        self._spans: OrderedDict[str, list[Span]] = OrderedDict()
        self._lock = threading.Lock()
        self.accepted = 0

    def add(self, request: ExportTraceServiceRequest) -> None:
        with self._lock:
            for group in request.resource_spans:
                names = [
                    item.value.string_value
                    for item in group.resource.attributes
                    if item.key == "service.name"
                ]
                for scope in group.scope_spans:
                    self.accepted += len(scope.spans)
                    for span in scope.spans:
                        self._spans.setdefault(span.trace_id.hex(), []).append(
                            {
                                "traceID": span.trace_id.hex(),
                                "spanID": span.span_id.hex(),
                                "operationName": span.name,
                                "startTime": span.start_time_unix_nano // 1000,
                                "duration": (span.end_time_unix_nano - span.start_time_unix_nano) // 1000,
                                "process": {"serviceName": names[0] if names else "unknown_service"},
                            }
                        )
            while len(self._spans) > _MOST_TRACES:
                self._spans.popitem(last=False)

    def services(self) -> list[str]:
        with self._lock:
            return sorted(
                {span["process"]["serviceName"] for spans in self._spans.values() for span in spans}
            )

    def of_service(self, service: str, limit: int) -> list[dict[str, Any]]:
        with self._lock:
            found = [
                {"traceID": trace, "spans": list(spans)}
                for trace, spans in reversed(self._spans.items())
                if any(span["process"]["serviceName"] == service for span in spans)
            ]
        return found[:limit]

    def one(self, trace: str) -> list[dict[str, Any]]:
        with self._lock:
            return [{"traceID": trace, "spans": list(self._spans[trace])}] if trace in self._spans else []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    traces = Traces()

    def _send(self, status: int, body: bytes, media_type: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Requests are not of interest."""


class _Receiver(_Handler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/v1/traces" or self.headers["Content-Type"] != "application/x-protobuf":
            self._send(404, b"")
            return
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.traces.add(ExportTraceServiceRequest.FromString(body))
        self._send(200, ExportTraceServiceResponse().SerializeToString(), "application/x-protobuf")


class _Query(_Handler):
    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        data: list[Any]
        if url.path == "/api/services":
            data = self.traces.services()
        elif url.path == "/api/traces":
            data = self.traces.of_service(asked.get("service", ""), int(asked.get("limit", "20")))
        elif found := re.fullmatch(r"/api/traces/([0-9a-f]{32})", url.path):
            data = self.traces.one(found[1])
        else:
            self._send(200, b"<!doctype html><title>Jaeger stand-in</title>", "text/html")
            return
        self._send(200, json.dumps({"data": data, "total": len(data), "errors": None}).encode())

    do_HEAD = do_GET


class _Health(_Handler):
    def do_GET(self) -> None:
        if self.path != "/status":
            self._send(404, b"")
            return
        self._send(200, b'{"status":"StatusOK"}')

    do_HEAD = do_GET


class _Metrics(_Handler):
    def do_GET(self) -> None:
        accepted = f"otelcol_receiver_accepted_spans_total {self.traces.accepted}\n"
        text = f"# TYPE otelcol_receiver_accepted_spans_total counter\n{accepted}"
        self._send(200, text.encode(), "text/plain; version=0.0.4")


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    for port, handler in ((4318, _Receiver), (13133, _Health), (8888, _Metrics)):
        server = ThreadingHTTPServer(("0.0.0.0", port), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    ThreadingHTTPServer(("0.0.0.0", 16686), _Query).serve_forever()


if __name__ == "__main__":
    main()
