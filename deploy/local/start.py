"""Bring the stack up, or say that it is up."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from deploy.api_key import ensure_api_key, read_api_key
from deploy.local.broker import broker_command
from deploy.local.configuration import Stack, read_environment
from deploy.local.facts import as_started, read_facts, write_facts
from deploy.local.preflight import (
    data_dir_problems,
    port_problems,
    scale_problems,
    store_problems,
)
from deploy.local.programs import stack_programs, supervisor_config
from deploy.local.prometheus import prometheus_command, prometheus_config, prometheus_executable
from deploy.local.question import expects_stories
from deploy.local.settings import LocalStackSettings
from deploy.local.summary import summary
from deploy.local.supervisor import Supervisor, stack_processes
from deploy.local.wait import StackWait
from deploy.paths import display_path
from deploy.question import demo_question
from deploy.settings_catalogue import settings_classes
from services.producer.settings import ProducerSettings
from services.producer.sources.choice import usable_source
from services.replay.settings import ReplaySettings
from shared.errors import ConfigurationError
from shared.settings import KafkaSettings, VectorStoreSettings, load_settings, settings_problems


def start(processors: int | None, *, with_prometheus: bool) -> None:
    """``processors``: how many; ``None`` means one, or as many as run already.

    :raises ConfigurationError: nothing was started, and why.
    :raises StackFailed: it came up halfway, and was stopped again.
    """
    begun = time.monotonic()
    os.environ.update(read_environment())
    _refuse(settings_problems(settings_classes()))
    stack = Stack(load_settings(LocalStackSettings), processors or 1, prometheus=with_prometheus)
    _refuse(scale_problems(stack.processors, load_settings(KafkaSettings).partitions))
    _refuse(data_dir_problems(stack.data_dir))
    for folder in (stack.run_dir, stack.logs_dir):
        folder.mkdir(mode=0o700, exist_ok=True)
    with _only_one_start(stack), _stopped_if_interrupted(Supervisor(stack)) as supervisor:
        if supervisor.answers():
            _say(f"Already running, as it was started ({display_path(stack.data_dir)}).")
            running = as_started(stack)
            if processors not in (None, running.processors):
                _say(
                    f"It runs with processor={running.processors}; to change that:"
                    f" ./stop.sh && ./start.sh --scale processor={processors}"
                )
            if with_prometheus and not running.prometheus:
                _say("It runs without Prometheus; to change that: ./stop.sh && ./start.sh --with prometheus")
            facts = _rejoin(running, supervisor)
        else:
            facts = _launch(stack, supervisor)
            _say(f"Ready after {time.monotonic() - begun:.1f} s.")
    print(f"\n{summary(facts, read_api_key(stack.key_file))}")


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ConfigurationError("\n".join(problems))


def _launch(stack: Stack, supervisor: Supervisor) -> dict[str, Any]:
    """Start every process of the stack and wait for it; its facts."""
    if stack_processes(stack):
        _say("Stopping what an earlier run left behind.")
        supervisor.shutdown()
    binaries = {"broker": broker_command(stack.settings.broker_port)}
    if stack.prometheus:
        binaries["prometheus"] = prometheus_command(prometheus_executable(), stack)
    _refuse(store_problems(load_settings(VectorStoreSettings)))
    source, why = usable_source(load_settings(ProducerSettings))
    _refuse(port_problems(stack.settings.api_host, stack.ports(source)))
    key = ensure_api_key(stack.key_file)
    _say(f"Source: {source} ({why}).")
    facts = stack.facts(source)
    write_facts(stack, facts)
    if stack.prometheus:
        stack.prometheus_config.write_text(prometheus_config(stack, source), encoding="utf-8")
    programs = stack_programs(stack, source, sys.executable, binaries, os.cpu_count() or 1, os.environ)
    os.environ.update(stack.environment(os.environ, source))
    supervisor.launch(supervisor_config(stack, programs), os.environ)
    _say(f"Starting {', '.join(program.name for program in programs)}:")
    story = source == "replay" and expects_stories(
        load_settings(ReplaySettings), load_settings(ProducerSettings), stack.replay_url
    )
    with StackWait(stack, source, supervisor, key, say=_say) as wait:
        wait.until_ready()
        if story:
            demo = demo_question()
            wait.until_found(demo.text, demo.title)
            question = demo.text
        else:
            wait.until_search_answers()
            question = wait.any_question()
        wait.until_model_loaded()
    return _complete(stack, supervisor, facts, question)


def _rejoin(stack: Stack, supervisor: Supervisor) -> dict[str, Any]:
    """Start again what supervisord gave up, and wait for it; the facts of the running stack."""
    processes = supervisor.processes()
    for process in processes:
        if not process.running:
            _say(f"{process.name} was down: starting it again.")
            supervisor.start_process(process.name)
    source = "replay" if any(process.name == "replay" for process in processes) else "wikimedia"
    facts = read_facts(stack) or stack.facts(source)
    with StackWait(stack, source, supervisor, read_api_key(stack.key_file), say=_say) as wait:
        wait.until_ready(mention_at_once=False)
        wait.until_search_answers()
        question = facts.get("question") or wait.any_question()
        wait.until_model_loaded()
    return _complete(stack, supervisor, facts, question)


def _complete(stack: Stack, supervisor: Supervisor, facts: dict[str, Any], question: str) -> dict[str, Any]:
    facts = {**facts, "question": question, "pids": supervisor.pids()}
    write_facts(stack, facts)
    return facts


def _say(line: str) -> None:
    print(line, flush=True)


@contextlib.contextmanager
def _only_one_start(stack: Stack) -> Iterator[None]:
    with (stack.run_dir / "start.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Another start.sh is at work here; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _stopped_if_interrupted(supervisor: Supervisor) -> Iterator[Supervisor]:
    """What was started is stopped again, unless it came up."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    was_running = supervisor.answers()
    try:
        yield supervisor
    except BaseException:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if not was_running and supervisor.shutdown():
            print("Stopped what had been started.", file=sys.stderr, flush=True)
        raise


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
