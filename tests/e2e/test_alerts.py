"""What breaks is what fires: each fault of a real stack is exactly one alert of a real Prometheus."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Producer

from bench.stack import RunningStack, started_stack
from deploy.local.configuration import Stack
from deploy.local.prometheus import prometheus_config
from deploy.local.settings import LocalStackSettings
from deploy.question import demo_question
from tests.support.hurried_rules import write_hurried_rules
from tests.support.llama_server import KEY, LlamaServer, llama_server
from tests.support.processes import wait_until
from tests.support.prometheus import PrometheusClient, prometheus_program, running_prometheus
from tests.support.redis_server import RedisProcess, redis_server

HURRY = 20
SCRAPE = "2s"
PATIENCE = 90.0
OBSERVED_SECONDS = 10.0
"""More than three minutes of the rules' time."""
POISON = 1_500


@dataclass(frozen=True)
class Rig:
    stack: RunningStack
    redis: RedisProcess
    model: LlamaServer
    prometheus: PrometheusClient

    def supervise(self, action: str, program: str) -> None:
        """What the runbook has an operator do."""
        socket = f"unix://{self.stack.facts['supervisor_socket']}"
        command = [sys.executable, "-m", "supervisor.supervisorctl", "-s", socket, action, program]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def poison(self) -> None:
        settings = self.stack.facts["settings"]
        producer = Producer({"bootstrap.servers": settings["kafka_bootstrap_servers"]})
        for number in range(POISON):
            producer.produce("documents", b"poison", key=str(number))
        assert producer.flush(30) == 0


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    prometheus_program("prometheus")  # or skip, before anything is started
    with (
        # Every write is on disk before it is acknowledged, so that a crash loses none.
        redis_server(tmp_path_factory.mktemp("redis"), "--appendfsync", "always") as redis,
        llama_server() as model,
        started_stack(
            tmp_path_factory.mktemp("stack"),
            VECTOR_STORE="redis",
            REDIS_URL=redis.url,
            REDIS_TIMEOUT_SECONDS="0.5",
            LLM="openai",
            OPENAI_BASE_URL=model.base_url,
            OPENAI_API_KEY=KEY,
            LLM_SILENCE_SECONDS="5",
            LLM_RETRY_SECONDS="1",
            LLM_BREAKER_SECONDS="2",
            API_CACHE_ENTRIES="0",
        ) as stack,
        watched(stack, tmp_path_factory.mktemp("rules")) as prometheus,
        asked_all_the_time(stack),
    ):
        yield Rig(stack, redis, model, prometheus)


@contextlib.contextmanager
def watched(running: RunningStack, rules: Path) -> Iterator[PrometheusClient]:
    """By a Prometheus for which time passes faster."""
    stack = Stack(LocalStackSettings(**running.facts["settings"]), prometheus=True)
    config = json.loads(prometheus_config(stack, "replay"))
    config["global"] = {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": "1s"}
    config["rule_files"] = [write_hurried_rules(rules, HURRY)]
    with running_prometheus(stack, json.dumps(config)) as prometheus:
        jobs = {job["job_name"] for job in config["scrape_configs"]}
        wait_until(lambda: prometheus.up() == jobs, PATIENCE, "every target is up")
        yield prometheus


@contextlib.contextmanager
def asked_all_the_time(stack: RunningStack) -> Iterator[None]:
    """Users, who ask and search whatever happens."""
    leave = threading.Event()

    def use() -> None:
        question = {"question": demo_question().text}
        while not leave.wait(1):
            for path in ("/v1/ask", "/v1/search"):
                with contextlib.suppress(httpx.TransportError):
                    stack.api.post(path, json=question)

    user = threading.Thread(target=use)
    user.start()
    try:
        yield
    finally:
        leave.set()
        user.join()


def exactly(rig: Rig, *expected: str) -> None:
    """They come to fire, and nothing else does, then or for a while."""
    wanted, seen = {*expected, "Watchdog"}, set[str]()

    def fires() -> bool:
        seen.update(rig.prometheus.firing())
        return rig.prometheus.firing() == wanted

    wait_until(fires, PATIENCE, f"{sorted(wanted)} fire and nothing else", interval=0.5)
    end = time.monotonic() + OBSERVED_SECONDS
    while time.monotonic() < end:
        firing = rig.prometheus.firing()
        assert firing == wanted, f"{sorted(wanted)} must fire; {rig.prometheus.report()}"
        time.sleep(0.5)
    assert seen <= wanted, f"{sorted(seen - wanted)} fired before; {rig.prometheus.report()}"


def recovers(rig: Rig) -> None:
    wait_until(lambda: rig.prometheus.firing() == {"Watchdog"}, PATIENCE, "all is well again", interval=0.5)


def test_each_fault_is_exactly_its_alert(rig: Rig) -> None:
    recovers(rig)  # from having seen no target yet
    exactly(rig)

    rig.model.process.process.send_signal(signal.SIGSTOP)
    exactly(rig, "LLMDown")
    rig.model.process.process.send_signal(signal.SIGCONT)
    recovers(rig)

    rig.supervise("stop", "processor")
    exactly(rig, "ServiceDown")
    rig.supervise("start", "processor")
    recovers(rig)

    rig.redis.kill()
    exactly(rig, "StoreDown")
    rig.redis.start()
    recovers(rig)

    rig.poison()
    exactly(rig, "ProcessorHalted")
