"""The HTTP server and its event loop, in a thread of their own: there uvicorn leaves signals alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable

import uvicorn

from services.replay.app import create_app
from services.replay.connections import Connections, Ending
from services.replay.event_log import EventLog
from services.replay.publisher import Publisher, Source
from services.replay.settings import ReplaySettings
from shared.errors import ConfigurationError

_DRAIN_SECONDS = 2


def bind(settings: ReplaySettings) -> socket.socket:
    """Reserve the address.

    :raises ConfigurationError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY; without, each small response takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"REPLAY_PORT={settings.port}: cannot listen on {settings.host}:{settings.port} "
            f"({error.strerror}); stop what uses it or choose another port"
        ) from None
    return listener


class ReplayServer:
    """Publishes the history, then serves until it is closed. ``on_end`` is called when the thread ends."""

    def __init__(
        self,
        settings: ReplaySettings,
        source: Source,
        start_ms: int,
        listener: socket.socket,
        on_end: Callable[[], None],
    ) -> None:
        self._listener = listener
        self._on_end = on_end
        self._connections = Connections(settings.connections_per_client)
        log = EventLog(first_offset=start_ms, max_bytes_per_topic=settings.retention_mb * 2**20)
        publisher = Publisher(
            source, log, self._connections.wake_all, rate=settings.rate, paused=settings.paused
        )
        publisher.publish_history(source.default_history if settings.history is None else settings.history)
        self._server = uvicorn.Server(
            uvicorn.Config(
                create_app(publisher, source, log, self._connections, settings.cut_after),
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                timeout_graceful_shutdown=_DRAIN_SECONDS,
            )
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="http-server", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End the open streams, answer the requests under way, stop."""
        self._server.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended on its own
                self._loop.call_soon_threadsafe(self._connections.end_all, Ending.SHUTDOWN)
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._on_end()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.serve([self._listener])
