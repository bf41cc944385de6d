"""Health and metrics over HTTP for the services that are loops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from shared.errors import ConfigurationError
from shared.lifecycle import Heartbeat

StartResponse = Callable[[str, list[tuple[str, str]]], object]


class _QuietHandler(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:
        pass


class HealthServer:
    """``/health/live``: the loop turns; ``/health/ready``: dependencies are usable; ``/metrics``."""

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        heartbeat: Heartbeat,
        ready: Callable[[], bool],
    ) -> None:
        self._metrics = make_wsgi_app(registry)
        self._heartbeat = heartbeat
        self._ready = ready
        try:
            self._server = make_server(
                host, port, self._handle, server_class=WSGIServer, handler_class=_QuietHandler
            )
        except OSError as error:
            raise ConfigurationError(
                f"METRICS_PORT={port}: cannot listen on {host}:{port} ({error.strerror}); choose a free port"
            ) from None
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handle(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == "/metrics":
            response: Iterable[bytes] = self._metrics(environ, start_response)
            return response
        checks = {"/health/live": lambda: self._heartbeat.alive, "/health/ready": self._ready}
        check = checks.get(str(path))
        if check is None:
            status, body = "404 Not Found", b'{"status":"not found"}'
        elif check():
            status, body = "200 OK", b'{"status":"ok"}'
        else:
            status, body = "503 Service Unavailable", b'{"status":"unavailable"}'
        start_response(status, [("Content-Type", "application/json")])
        return [body]
