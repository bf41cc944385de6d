"""What a process with an embedder does besides: nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import sys, socket
def refuse(*arguments): raise SystemExit(f"tried to connect: {arguments}")
socket.socket.connect = refuse
socket.socket.connect_ex = refuse
socket.getaddrinfo = refuse
from shared.embedder.factory import build_embedder
from shared.settings import EmbedderSettings
embedder = build_embedder(EmbedderSettings())
embedder.count_tokens(["word " * 1000])
print(embedder.embed(["word " * 1000] * 40).shape)
"""


def run(program: str, home: Path, backend: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "EMBEDDER_BACKEND": backend, "HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_it_is_silent_and_asks_nobody(backend: str, tmp_path: Path) -> None:
    """No progress bars, no warnings, no network, no telemetry: with the sockets taken away."""
    done = run(PROGRAM, tmp_path, backend)
    assert (done.stdout, done.stderr, done.returncode) == ("(40, 384)\n", "", 0)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_torch_is_not_loaded(backend: str, tmp_path: Path) -> None:
    heavy = {"torch", "transformers", "sentence_transformers", "scipy", "sklearn"}
    done = run(f"{PROGRAM}\nprint(*sorted(set(sys.modules) & {heavy!r}))", tmp_path, backend)
    assert done.stdout == "(40, 384)\n\n"


AFTER_EACH_CALL = """
import time
used = 0.0
for _ in range(20):
    embedder.embed(["word " * 1000] * 4)
    before = time.process_time()
    time.sleep(0.1)
    used += time.process_time() - before
print(used)
"""


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_it_uses_no_processor_while_it_waits(backend: str, tmp_path: Path) -> None:
    """Threads that spin would take the cores from the other services: a second in twenty waits, where a
    process that sleeps uses a millisecond."""
    done = run(PROGRAM + AFTER_EACH_CALL, tmp_path, backend)
    assert float(done.stdout.splitlines()[-1]) < 0.3


TOGETHER = """
import faulthandler, sys, threading
from shared.embedder.onnx_files import locate_onnx_files
from shared.onnx.openvino_session import OpenVinoSession
from shared.onnx.session import one_token
faulthandler.dump_traceback_later(30, exit=True)
session = OpenVinoSession(locate_onnx_files("all-MiniLM-L6-v2").export.model, 2, 3)
sys.setswitchinterval(1e-6)
gate = threading.Barrier(8)
threads = [threading.Thread(target=lambda: (gate.wait(), session.run(one_token()))) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_the_first_calls_of_several_threads_do_not_deadlock(tmp_path: Path) -> None:
    """OpenVINO's Python layer sets itself up at its first call; most tries hang where threads share that."""
    for _ in range(3):
        done = run(TOGETHER, tmp_path, "openvino")
        assert done.returncode == 0, done.stderr[-2_000:]
