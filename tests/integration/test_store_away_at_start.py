"""The store may start after the services: they wait for it, alive, and say so, and end when told to."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.embedder.hashing import HashingEmbedder
from shared.events import encode_event
from shared.ports import OutgoingRecord
from shared.settings import VectorStoreSettings
from shared.vector_store.factory import open_vector_store
from tests.support.api_process import RunningApi, an_api, environment, kafka_settings, write_key
from tests.support.processes import free_port, wait_until
from tests.support.processor_stack import (
    TIMEOUT,
    a_stack,
    an_event,
    is_alive,
    is_ready,
    logged,
    processed,
)
from tests.support.redis_server import WITHOUT_DISK, RedisProcess, redis_server

WAITING = "waiting for the vector store"
LONGER_THAN_A_STOP = {"REDIS_TIMEOUT_SECONDS": "120"}
PATIENT = {"REDIS_TIMEOUT_SECONDS": "60"}


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    """Not started yet."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisProcess(folder, free_port(), WITHOUT_DISK)
    yield server
    if hasattr(server, "process"):
        server.kill()


@pytest.fixture
def silent_server() -> Iterator[socket.socket]:
    """Takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(TIMEOUT)
        yield listener


def url_of(listener: socket.socket) -> str:
    return f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def uses(url: str, **more: str) -> dict[str, str]:
    return {"VECTOR_STORE": "redis", "REDIS_URL": url, "REDIS_TIMEOUT_SECONDS": "0.5", **more}


def warnings(log: Path) -> list[dict[str, object]]:
    return [entry for entry in logged(log) if entry["message"] == WAITING]


def check_the_one_warning(log: Path, url: str) -> None:
    (warning,) = warnings(log)
    assert warning["level"] == "WARNING"
    assert f"REDIS_URL={url}" in str(warning["error"])


def readiness(port: int) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_processor_waits_for_redis_and_then_works(broker: str, tmp_path: Path, redis: RedisProcess) -> None:
    stack, port = a_stack(broker, tmp_path), free_port()
    log = stack.log("processor")
    with stack.processor("processor", port, **uses(redis.url)):
        wait_until(lambda: is_alive(port) and bool(warnings(log)), TIMEOUT, f"the warning in {log}")
        assert readiness(port) == (503, {"status": "unavailable", "reason": WAITING})
        redis.start()
        wait_until(lambda: is_ready(port), TIMEOUT, f"readiness ({log})")
        check_the_one_warning(log, redis.url)
        stack.send(
            [OutgoingRecord(stack.kafka.topic, b"test:a", encode_event(an_event("test:a", 1, "Some text.")))]
        )
        wait_until(lambda: processed(port) == 1, TIMEOUT, "the record")
    embedder = HashingEmbedder()
    settings = VectorStoreSettings(vector_store="redis", redis_url=redis.url)
    with contextlib.closing(
        open_vector_store(settings, embedder_name=embedder.name, dimension=embedder.dimension)
    ) as store:
        assert "test:a" in store.get_many(["test:a"])
    assert "the vector store is there" in [entry["message"] for entry in logged(log)]


def search(api: RunningApi) -> tuple[int, str]:
    response = api.client.post("/v1/search", json={"question": "Is anybody there?"})
    return response.status_code, response.headers["content-type"]


def test_the_api_answers_503_until_redis_is_there(broker: str, tmp_path: Path, redis: RedisProcess) -> None:
    with an_api(tmp_path / "api", kafka_settings(broker), until="/health/live", **uses(redis.url)) as api:
        wait_until(lambda: bool(warnings(api.log)), TIMEOUT, f"the warning in {api.log}")
        assert api.client.get("/health/live").status_code == 200
        ready = api.client.get("/health/ready")
        assert (ready.status_code, ready.json()["checks"]["store"]) == (503, "unavailable")
        assert search(api) == (503, "application/problem+json")
        assert "rag_index_documents" not in api.client.get("/metrics").text
        redis.start()
        wait_until(lambda: api.client.get("/health/ready").status_code == 200, TIMEOUT, "readiness")
        wait_until(lambda: search(api) == (200, "application/json"), TIMEOUT, "an answer")
        check_the_one_warning(api.log, redis.url)
        api.process.terminate()
        assert api.process.wait(TIMEOUT) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_processor_ends_in_the_middle_of_an_attempt(
    broker: str, tmp_path: Path, silent_server: socket.socket, number: signal.Signals
) -> None:
    stack, port = a_stack(broker, tmp_path), free_port()
    with stack.processor("processor", port, **uses(url_of(silent_server), **LONGER_THAN_A_STOP)) as process:
        connection, _ = silent_server.accept()
        with connection:
            assert is_alive(port)
            process.send_signal(number)
            assert process.wait(TIMEOUT) == 0


def test_the_api_ends_in_the_middle_of_an_attempt(
    broker: str, tmp_path: Path, silent_server: socket.socket
) -> None:
    url = url_of(silent_server)
    with an_api(
        tmp_path / "api",
        kafka_settings(broker),
        until="/health/live",
        **uses(url, **LONGER_THAN_A_STOP),
    ) as api:
        connection, _ = silent_server.accept()
        with connection:
            api.process.terminate()
            assert api.process.wait(TIMEOUT) == 0
    assert api.log_lines()[-1]["message"] == "stopped"


def test_a_processor_ends_between_two_attempts(broker: str, tmp_path: Path) -> None:
    stack, port = a_stack(broker, tmp_path), free_port()
    log = stack.log("processor")
    away = uses(f"redis://127.0.0.1:{free_port()}/0")
    with stack.processor("processor", port, **away) as process:
        wait_until(lambda: bool(warnings(log)), TIMEOUT, f"the warning in {log}")
        process.terminate()
        assert process.wait(TIMEOUT) == 0


def ends_at_once(module: str, variables: dict[str, str]) -> str:
    """What it says on stderr, which is one line."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert WAITING not in done.stdout
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("service", ["processor", "api"])
def test_what_no_waiting_cures_ends_them_at_once(tmp_path: Path, service: str) -> None:
    write_key(tmp_path)
    kafka = kafka_settings(f"127.0.0.1:{free_port()}")
    variables = {**environment(tmp_path, free_port(), kafka), "METRICS_PORT": str(free_port())}
    with redis_server(tmp_path / "redis", *WITHOUT_DISK) as server:
        variables |= uses(server.url, **PATIENT)
        other = VectorStoreSettings(vector_store="redis", redis_url=server.url)
        open_vector_store(other, embedder_name="another model", dimension=8).close()
        line = ends_at_once(f"services.{service}", variables)
        assert re.match(rf"{service}: .*another model", line), line
        with server.client() as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
        line = ends_at_once(f"services.{service}", variables)
        assert re.match(rf"{service}: REDIS_URL=.*noeviction", line), line
