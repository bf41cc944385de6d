"""The HTTP server: bound before anything expensive is loaded, drained before anything is closed."""

from __future__ import annotations

import os
import socket
import threading

import uvicorn
from starlette.types import ASGIApp

from services.api.settings import ApiSettings
from shared.errors import ConfigurationError
from shared.lifecycle import Lifecycle

_TURN_SECONDS = 0.1


def bind(settings: ApiSettings) -> socket.socket:
    """Reserve the address; connections are taken only once the server runs.

    :raises ConfigurationError: the address cannot be had.
    """
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ConfigurationError(
            f"API_HOST={host}: not an address of this machine ({error.strerror})"
        ) from None
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _cannot_listen(settings, error) from None
    return listener


class ApiServer:
    """uvicorn in a thread of its own, because there it leaves the signals to ``Lifecycle``."""

    def __init__(self, app: ASGIApp, listener: socket.socket, settings: ApiSettings) -> None:
        self._listener = listener
        self._settings = settings
        self._failure: BaseException | None = None
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                timeout_graceful_shutdown=settings.shutdown_seconds,
            )
        )
        self._thread = threading.Thread(target=self._run, name="http-server", daemon=True)

    def start(self, lifecycle: Lifecycle) -> None:
        """Serve from now on; drain as part of the lifecycle's close."""
        self._thread.start()
        lifecycle.on_close("http server", self._drain)

    def serve(self, lifecycle: Lifecycle) -> None:
        """Until the lifecycle stops.

        :raises ConfigurationError: another process took the port after ``bind``.
        """
        while self._thread.is_alive() and not lifecycle.stop.is_set():
            self._thread.join(_TURN_SECONDS)
        self.check()

    def check(self) -> None:
        """:raises ConfigurationError: another process took the port after ``bind``."""
        if isinstance(self._failure, OSError):
            raise _cannot_listen(self._settings, self._failure)
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._server.run([self._listener])
        except BaseException as error:  # noqa: BLE001 - carried to the main thread, which raises it
            self._failure = error
        finally:
            self._listener.close()

    def _drain(self) -> None:
        """Take no new connection, let requests under way finish."""
        self._server.should_exit = True
        self._thread.join()


def _cannot_listen(settings: ApiSettings, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"API_PORT={settings.port}: cannot listen on {settings.host}:{settings.port} "
        f"({error.strerror}); stop what uses it or choose another port"
    )
