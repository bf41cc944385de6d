"""An API process of a benchmark's own, on a store that was filled before, and clients that cost little."""

from __future__ import annotations

import contextlib
import http.client
import json
import multiprocessing
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.stack import free_port
from bench.stores import StorePlace
from deploy.local.broker import broker_command
from deploy.local.configuration import LOCAL_DEFAULTS

_KEY = "benchmark-key"
_HEADERS = {"Authorization": f"Bearer {_KEY}", "Content-Type": "application/json"}
_START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Api:
    port: int
    process: psutil.Process
    log: Path

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """:raises SystemExit: any answer but 200."""
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        ) as connection:
            return json.loads(exchange(connection, path, json.dumps(body).encode()))  # type: ignore[no-any-return]

    def metric(self, name: str) -> float:
        """The sum of the samples of this name."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        lines = (line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{")))
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def megabytes(self) -> float:
        return float(self.process.memory_info().rss) / 2**20

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextlib.contextmanager
def started_api(place: StorePlace, folder: Path, **settings: str) -> Iterator[Api]:
    """With a broker of its own; ``place`` is open to it, and filled. The environment decides on what
    ``settings`` do not name."""
    port, broker_port = free_port(), free_port()
    keys = folder / "api-keys"
    keys.touch(mode=0o600)
    keys.write_text(f"{_KEY}\n")
    environment = {
        **LOCAL_DEFAULTS,
        **os.environ,
        "VECTOR_STORE": place.settings.vector_store,
        "DATA_DIR": str(place.settings.data_dir),
        "REDIS_URL": place.settings.redis_url,
        "REDIS_PREFIX": place.settings.redis_prefix,
        "API_KEYS_FILE": str(keys),
        "API_PORT": str(port),
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{broker_port}",
        "LOG_LEVEL": "WARNING",
    }
    log = folder / "api.log"
    with (
        _running(broker_command(broker_port), folder / "broker.log", environment),
        _running([sys.executable, "-m", "services.api"], log, {**environment, **settings}) as process,
    ):
        api = Api(port, psutil.Process(process.pid), log)
        deadline = time.monotonic() + _START_SECONDS
        while not _is_ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the API did not become ready: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield api


@contextlib.contextmanager
def _running(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def _is_ready(port: int) -> bool:
    with (
        contextlib.suppress(OSError, http.client.HTTPException),
        contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection,
    ):
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    return False


@dataclass(frozen=True, slots=True)
class Load:
    """What clients saw: ``seconds`` of the whole, of each request, and their own processor time."""

    seconds: float
    each: list[float]
    cpu_seconds: float


class Clients:
    """Clients in a process of their own, so that their work does not stop what is measured here. Each
    keeps one connection and sends its next request when it has the answer to the last."""

    def __init__(self, processes: ProcessPoolExecutor) -> None:
        self._processes = processes

    def send(self, port: int, path: str, bodies: list[dict[str, Any]], clients: int) -> Load:
        encoded = [json.dumps(body).encode() for body in bodies]
        return self._processes.submit(_send_all, port, path, encoded, clients).result()


@contextlib.contextmanager
def client_process() -> Iterator[Clients]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        yield Clients(processes)


def _send_all(port: int, path: str, bodies: list[bytes], clients: int) -> Load:
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    for body in bodies:
        waiting.put(body)
    seconds: list[float] = []
    failures: list[BaseException] = []
    begin = threading.Barrier(clients + 1)

    def work() -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
            connection.connect()
            begin.wait()
            try:
                while True:
                    body = waiting.get_nowait()
                    sent = time.perf_counter()
                    exchange(connection, path, body)
                    seconds.append(time.perf_counter() - sent)
            except queue.Empty:
                return
            except (OSError, http.client.HTTPException, SystemExit) as error:
                failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    cpu = time.process_time()
    begin.wait()
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    whole = time.perf_counter() - begun
    if failures:
        raise SystemExit(f"{len(failures)} of {clients} clients failed: {failures[0]}")
    return Load(whole, seconds, time.process_time() - cpu)


def exchange(connection: http.client.HTTPConnection, path: str, body: bytes) -> bytes:
    """The answer to a request with the benchmark's key.

    :raises SystemExit: any answer but 200.
    """
    connection.request("POST", path, body, _HEADERS)
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        raise SystemExit(f"{path}: {response.status} {content[:500]!r}")
    return content
