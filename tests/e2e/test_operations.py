"""What an operator does to a running stack, and what a hostile stream does to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from bench.stack import ROOT, RunningStack
from tests.support.processes import wait_until

STREAM = "mediawiki.page_change.v1"


def test_the_smoke_test_passes(stack: RunningStack) -> None:
    result = stack.script("test.sh")
    assert result.returncode == 0, result.stdout
    assert "FAIL" not in result.stdout


def test_a_second_start_says_that_it_runs(stack: RunningStack) -> None:
    result = stack.script("start.sh", "--local")
    assert result.returncode == 0, result.stdout
    assert "Already running" in result.stdout


def test_the_logs_can_be_read(stack: RunningStack) -> None:
    result = stack.script("logs.sh", "processor", "--no-follow", "-n", "5")
    assert result.returncode == 0, result.stdout
    assert json.loads(result.stdout.splitlines()[-1])["service"] == "processor"


def test_bad_events_are_dead_lettered_and_the_stream_goes_on(stack: RunningStack) -> None:
    def dead_letters() -> float:
        return stack.metric("producer", "rag_dlq_messages_total") + stack.metric(
            "processor", "rag_dlq_messages_total"
        )

    before = dead_letters()
    bad = [
        b'{"cut off',
        b'{"title":"\xff\xfe"}',
        b"[]",
        b'{"$schema":"/mediawiki/page/change/1.2.0","meta":{}}',
        b'{"x":"' + b"a" * 5_000_000 + b'"}',
    ]
    for body in bad:
        stack.replay.post(f"/replay/inject?stream={STREAM}", content=body).raise_for_status()
    wait_until(lambda: dead_letters() == before + len(bad), 120, "dead letters")
    _push_and_find(stack)


@pytest.mark.parametrize("service", ["processor", "producer", "api", "replay"])
def test_a_killed_service_comes_back_and_the_stream_goes_on(stack: RunningStack, service: str) -> None:
    pid = _pid(stack, service)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: _pid(stack, service) not in (0, pid), 120, f"{service} comes back", interval=0.2)
    assert stack.script("start.sh", "--local").returncode == 0  # waits until all is ready again
    _push_and_find(stack)


def _pid(stack: RunningStack, service: str) -> int:
    output = subprocess.run(
        [
            sys.executable,
            "-m",
            "supervisor.supervisorctl",
            "-s",
            f"unix://{stack.facts['supervisor_socket']}",
            "pid",
            service,
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    ).stdout.strip()
    return int(output) if output.isdigit() else 0


def _push_and_find(stack: RunningStack) -> None:
    nonce = uuid.uuid4().hex[:8]
    document = {
        "document_id": f"test:{nonce}",
        "title": f"Orchard {nonce}",
        "text": f"The orchard {nonce} grows quinces.",
    }
    response = stack.api.post("/v1/documents", json=document)
    assert response.status_code == 202, response.text

    def found() -> bool:
        return any(hit["document_id"] == f"test:{nonce}" for hit in stack.search(document["text"]))

    wait_until(found, 120, "the pushed document is found")


def test_the_smoke_test_fails_where_nothing_runs(tmp_path: Path, stack: RunningStack) -> None:
    environment = {**stack.environment, "DATA_DIR": str(tmp_path)}
    result = subprocess.run(
        [str(ROOT / "test.sh")], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "no stack is running" in result.stderr
