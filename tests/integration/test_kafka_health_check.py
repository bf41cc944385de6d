"""The health check of the kafka container: does a broker answer, or does something merely listen?"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from deploy.local.configuration import ROOT
from tests.support.processes import free_port

SCRIPT = ROOT / "deploy" / "docker" / "kafka" / "health.sh"


def status(port: int) -> int:
    return subprocess.run(
        ["bash", SCRIPT, str(port)], capture_output=True, timeout=60, check=False
    ).returncode


def test_a_broker_that_answers_is_healthy(broker: str) -> None:
    assert status(int(broker.rpartition(":")[2])) == 0


def test_a_port_that_nobody_listens_on_is_not() -> None:
    assert status(free_port()) != 0


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\x08\0\0\0\x02"])
def test_something_else_that_listens_is_not(answer: bytes) -> None:
    with answering(answer) as port:
        assert status(port) != 0


def test_a_broker_that_hangs_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert status(mute.getsockname()[1]) != 0


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Says the same to the first who connects, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(14)
                connection.sendall(answer)

        thread = Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()
