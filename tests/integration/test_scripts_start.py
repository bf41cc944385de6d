"""A start that does not get to its end leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.local.configuration import ROOT, Stack
from deploy.local.facts import read_facts
from deploy.local.settings import LocalStackSettings
from deploy.local.supervisor import Supervisor, stack_processes
from tests.support.alert_rules import rules as written_rules
from tests.support.processes import free_port, wait_until
from tests.support.prometheus import PrometheusClient, path_with_prometheus


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(
        LocalStackSettings(
            _env_file=None,  # type: ignore[call-arg]
            data_dir=tmp_path / "data",
            kafka_bootstrap_servers=f"127.0.0.1:{free_port()}",
            api_port=free_port(),
            producer_metrics_port=free_port(),
            processor_metrics_port=free_port(),
            replay_port=free_port(),
            prometheus_port=free_port(),
        )
    )
    yield stack
    Supervisor(stack).shutdown()


def environment_of(stack: Stack) -> dict[str, str]:
    settings = {name.upper(): str(value) for name, value in stack.settings if value is not None}
    return {**os.environ, **settings, "SOURCE": "replay", "EMBEDDER": "hashing", "LLM": "extractive"}


def run_script(name: str, *arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / name), *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def start(stack: Stack, arguments: tuple[str, ...] = (), **changes: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(ROOT / "start.sh"), "--local", *arguments],
        env={**environment_of(stack), **changes},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def partitions_of(urls: list[str]) -> list[str]:
    """Of the processors with these metrics, one after the other."""
    texts = [httpx.get(url, trust_env=False).text for url in urls]
    return [
        partition
        for text in texts
        for partition in re.findall(
            r'^rag_consumer_lag_messages\{.*partition[^"]*="(\d+)"', text, re.MULTILINE
        )
    ]


def wait_for_launch(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Starting "):
            return
    assert process.stderr is not None
    pytest.fail(f"nothing was launched: {process.stderr.read()}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_start_stops_what_it_started(stack: Stack, number: signal.Signals) -> None:
    with start(stack) as process:
        wait_for_launch(process)
        assert stack_processes(stack)
        os.killpg(process.pid, number)
        _, errors = process.communicate(timeout=60)
    # A shell says 130 to both. Python 3.11 takes the signal for unhandled, whatever main returns, where
    # it arrived inside an exec() of the standard library.
    assert process.returncode in (130, -signal.SIGINT)
    assert errors == "Stopped what had been started.\nInterrupted.\n"
    assert stack_processes(stack) == []
    assert not stack.facts_file.exists()
    assert not stack.socket.exists()


def test_a_service_that_cannot_live_is_named_with_the_end_of_its_log(stack: Stack) -> None:
    (stack.data_dir / "store.sqlite").mkdir(parents=True)
    with start(stack, FAISS_PATH=str(stack.data_dir / "store.sqlite")) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    lines = errors.splitlines()
    assert lines[0] == "Stopped what had been started."
    service = lines[1].split()[1]
    assert service in ("processor", "api")
    assert lines[1] == f"start: {service} keeps stopping. The end of {stack.log_file(service)}:"
    assert any(line.startswith(f"    {service}: ") for line in lines[2:])
    assert stack_processes(stack) == []


def test_a_redis_that_is_not_there_is_said_before_anything_starts(stack: Stack) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    with start(stack, VECTOR_STORE="redis", REDIS_URL=url, REDIS_TIMEOUT_SECONDS="0.5") as process:
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    (line,) = errors.splitlines()
    assert line.startswith(f"start: REDIS_URL={url}: no answer within REDIS_TIMEOUT_SECONDS=0.5 ")
    assert "Starting " not in output
    assert stack_processes(stack) == []


def test_a_stack_whose_supervisor_was_killed_can_be_stopped(stack: Stack) -> None:
    with start(stack) as process:
        wait_for_launch(process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    os.kill(Supervisor(stack).pids()["supervisord"], signal.SIGKILL)
    assert Supervisor(stack).shutdown()
    assert stack_processes(stack) == []


def test_three_processors_share_the_work_and_stop_with_the_rest(stack: Stack) -> None:
    scaled = Stack(stack.settings, 3)
    with start(stack, arguments=("--scale", "processor=3")) as process:
        output, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    for name in ("processor", "processor-2", "processor-3"):
        assert f"  {name:<12} ready after" in output
        assert scaled.log_file(name).read_text()
    facts = read_facts(stack)
    assert facts is not None
    assert facts["scale"] == {"processor": 3}
    assert {"processor", "processor-2", "processor-3"} <= facts["pids"].keys()
    urls = [facts["metrics"][name] for name in ("processor", "processor-2", "processor-3")]
    wait_until(
        lambda: sorted(partitions_of(urls)) == ["0", "1", "2", "3"], 60, "each partition has one reader"
    )
    assert all(partitions_of([url]) for url in urls)

    with start(stack, arguments=("--scale", "processor=2")) as process:
        output, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    assert "It runs with processor=3; to change that: ./stop.sh && ./start.sh --scale processor=2" in output

    checked = run_script("test.sh", environment=environment_of(stack))
    assert checked.returncode == 0, checked.stdout
    assert "ok    processor-3 is alive and ready" in checked.stdout
    stopped = run_script("stop.sh", environment=environment_of(stack))
    assert stopped.returncode == 0, stopped.stderr
    assert stack_processes(stack) == []


def test_prometheus_watches_the_stack_and_stops_with_it(stack: Stack) -> None:
    watched = Stack(stack.settings, 2, prometheus=True)
    environment = {**environment_of(stack), "PATH": path_with_prometheus()}
    arguments = ("--scale", "processor=2", "--with", "prometheus")
    with start(stack, arguments, PATH=environment["PATH"]) as process:
        output, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    assert "  prometheus   ready after" in output
    assert f"  alerts    {watched.prometheus_url}/alerts  (Prometheus)" in output
    facts = read_facts(stack)
    assert facts is not None
    assert facts["urls"]["prometheus"] == watched.prometheus_url

    prometheus = PrometheusClient(watched.prometheus_url)
    expected = {"api", "producer", "processor", "processor-2", "prometheus"}
    wait_until(lambda: prometheus.up() == expected, 60, "every target is up", interval=0.5)
    rules = {rule["name"] for rule in prometheus.rules()}
    assert rules == {rule.get("alert", rule.get("record")) for rule in written_rules()}
    wait_until(lambda: all_evaluated(prometheus), 60, "every rule was evaluated", interval=0.5)
    assert [rule for rule in prometheus.rules() if rule["health"] != "ok"] == []
    assert "Watchdog" in prometheus.firing()

    checked = run_script("test.sh", environment=environment)
    assert checked.returncode == 0, checked.stdout
    assert "ok    Prometheus reaches every service (" in checked.stdout
    logged = run_script("logs.sh", "prometheus", "--no-follow", environment=environment)
    assert "Server is ready to receive web requests." in logged.stdout
    stopped = run_script("stop.sh", "--clean", "--yes", environment=environment)
    assert stopped.returncode == 0, stopped.stderr
    assert stack_processes(stack) == []
    assert not watched.prometheus_dir.exists()


def all_evaluated(prometheus: PrometheusClient) -> bool:
    return all(rule["health"] != "unknown" for rule in prometheus.rules())


def test_a_running_stack_says_how_it_gets_its_prometheus(stack: Stack) -> None:
    with start(stack) as process:
        process.communicate(timeout=180)
    with start(stack, ("--with", "prometheus")) as process:
        output, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    assert "It runs without Prometheus; to change that: ./stop.sh && ./start.sh --with prometheus" in output
