"""Without telemetry and with all of it: the settings, the records, and who takes spans and metrics."""

from __future__ import annotations

import contextlib
import http.client
import multiprocessing
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection

from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from shared.events import DocumentEvent
from shared.messaging.document_record import document_record
from shared.ports import OutgoingRecord

SCRAPE_SECONDS = 10.0  # as prometheus/prometheus.yml
_START_SECONDS = 60.0
_ids = RandomIdGenerator()
_ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5"

WITHOUT_TELEMETRY = {"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ""}
"""Settings of a process that exports no span; it keeps its metrics, which nobody scrapes."""


def full_telemetry(receiver: str) -> dict[str, str]:
    """Settings of a process that sends every span to the receiver at this URL."""
    return {
        **WITHOUT_TELEMETRY,
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver,
        "OTEL_SDK_DISABLED": "false",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_TRACES_SAMPLER": "parentbased_always_on",
    }


def traced_record(topic: str, event: DocumentEvent) -> OutgoingRecord:
    """As a producer that samples every trace sends it."""
    return _record(topic, event, TraceFlags(TraceFlags.SAMPLED))


def untraced_record(topic: str, event: DocumentEvent) -> OutgoingRecord:
    """As a producer without a receiver of spans sends it: with a trace id all the same."""
    return _record(topic, event, TraceFlags(TraceFlags.DEFAULT))


def _record(topic: str, event: DocumentEvent, flags: TraceFlags) -> OutgoingRecord:
    context = SpanContext(
        _ids.generate_trace_id(), _ids.generate_span_id(), is_remote=False, trace_flags=flags
    )
    with trace.use_span(NonRecordingSpan(context)):
        return document_record(topic, event)


@contextlib.contextmanager
def span_receiver() -> Iterator[str]:
    """The URL of a receiver in a process of its own, until the end of the block."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_receive, args=(theirs,), name="the receiver of spans", daemon=True)
    process.start()
    try:
        if not ours.poll(_START_SECONDS):
            raise SystemExit(f"{process.name} did not start within {_START_SECONDS:.0f} s")
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _receive(port: Connection) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _TakeAndDrop)
    port.send(server.server_port)
    server.serve_forever()


class _TakeAndDrop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def scraped(port: int) -> Iterator[None]:
    """While the block runs, ``/metrics`` of this port is asked for as Prometheus does, with exemplars, at
    once and every ``SCRAPE_SECONDS``.

    :raises SystemExit: at the end, if an answer was none in OpenMetrics.
    """
    stop = threading.Event()
    failures: list[str] = []

    def scrape() -> None:
        while True:
            try:
                _scrape(port)
            except (OSError, http.client.HTTPException, ValueError) as error:
                failures.append(repr(error))
            if stop.wait(SCRAPE_SECONDS):
                return

    thread = threading.Thread(target=scrape, name="scraper")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failures:
        raise SystemExit(f"{len(failures)} scrapes failed: {failures[0]}")


def _scrape(port: int) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", "/metrics", headers={"Accept": _ACCEPT, "Accept-Encoding": "gzip"})
        response = connection.getresponse()
        response.read()
        kind = response.headers.get("Content-Type", "")
        if response.status != 200 or not kind.startswith("application/openmetrics-text"):
            raise ValueError(f"/metrics of port {port}: {response.status}, {kind}")
