"""Health and metrics over HTTP for the services that are loops."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
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


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    """Nobody who connects and says nothing, and no slow check, keeps others from being answered."""

    daemon_threads = True


class HealthServer:
    """``/health/live``: the loop turns; ``/health/ready``: dependencies are usable; ``/metrics``."""

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        heartbeat: Heartbeat,
        obstacle: Callable[[], str | None],
    ) -> None:
        """``obstacle``: why the service is not ready, or ``None``; anybody may ask for it, so it names no
        address or path.

        :raises ConfigurationError: the port cannot be had.
        """
        self._metrics = make_wsgi_app(registry)
        self._heartbeat = heartbeat
        self._obstacle = obstacle
        try:
            self._server = make_server(
                host, port, self._handle, server_class=_ThreadingServer, handler_class=_QuietHandler
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
        checks = {"/health/live": self._silence, "/health/ready": self._obstacle}
        check = checks.get(str(path))
        if check is None:
            status, body = "404 Not Found", {"status": "not found"}
        elif (reason := check()) is None:
            status, body = "200 OK", {"status": "ok"}
        else:
            status, body = "503 Service Unavailable", {"status": "unavailable", "reason": reason}
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(body, separators=(",", ":")).encode()]

    def _silence(self) -> str | None:
        return None if self._heartbeat.alive else "the loop does not turn"
