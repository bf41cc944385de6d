"""Start, ask and stop the supervisord of one stack."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from deploy.local.configuration import STACK_MARKER, Stack
from shared.errors import ConfigurationError, RagError

_STOP_TIMEOUT = 60.0
_SOCKET_TIMEOUT = 10.0


class StackFailed(RagError):
    """The stack did not do what was asked; the message is for the user."""


@dataclass(frozen=True)
class ProcessState:
    """One program as supervisord sees it. ``started_at`` is in epoch seconds, 0 before the first start."""

    name: str
    state: str
    pid: int
    started_at: int

    @property
    def running(self) -> bool:
        return self.state in ("RUNNING", "STARTING")


class Supervisor:
    """A client of the supervisord that owns ``stack``, whether or not it runs."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def launch(self, config: str, environment: Mapping[str, str]) -> None:
        """Start supervisord, and through it every program.

        It gets a session of its own: Ctrl-C in the terminal is for the caller to act upon.

        :raises StackFailed: supervisord did not come up.
        """
        stack = self._stack
        _private_directory(stack.socket.parent)
        _write_private(stack.supervisor_config, config)
        output_file = stack.logs_dir / "supervisord.out"
        with output_file.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(stack.supervisor_config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )
        deadline = time.monotonic() + _SOCKET_TIMEOUT
        while not self.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                lines = output_file.read_text(errors="replace").strip().splitlines()
                raise StackFailed(f"supervisord did not start: {lines[0] if lines else 'no output'}")
            time.sleep(0.02)

    def answers(self) -> bool:
        try:
            return bool(self._call(lambda rpc: rpc.getState())["statename"] == "RUNNING")
        except StackFailed:
            return False

    def processes(self) -> list[ProcessState]:
        """:raises StackFailed: supervisord does not answer."""
        return [
            ProcessState(item["name"], item["statename"], item["pid"], item["start"])
            for item in self._call(lambda rpc: rpc.getAllProcessInfo())
        ]

    def pids(self) -> dict[str, int]:
        """Of every program, and of supervisord itself."""
        own = {"supervisord": self._call(lambda rpc: rpc.getPID())}
        return own | {process.name: process.pid for process in self.processes()}

    def start_process(self, name: str) -> None:
        with contextlib.suppress(StackFailed):  # it may have come up in the meantime
            self._call(lambda rpc: rpc.startProcess(name, False))

    def shutdown(self) -> bool:
        """Stop every process of the stack and wait for it; whether there was anything to stop.

        :raises StackFailed: something is still there after a minute.
        """
        found = stack_processes(self._stack)
        if self.answers():
            with contextlib.suppress(StackFailed):
                self._stop_clients_of_the_broker()
                self._call(lambda rpc: rpc.shutdown())
        else:
            _signal_all(found, signal.SIGTERM)
        _, alive = psutil.wait_procs(found, timeout=_STOP_TIMEOUT)
        strays = {process.pid: process for process in [*alive, *stack_processes(self._stack)]}
        _signal_all(list(strays.values()), signal.SIGKILL)
        _, alive = psutil.wait_procs(list(strays.values()), timeout=5)
        if alive:
            raise StackFailed(f"still running: {', '.join(str(process.pid) for process in alive)}")
        for leftover in (self._stack.socket, self._stack.supervisor_pid_file, self._stack.facts_file):
            leftover.unlink(missing_ok=True)
        return bool(found)

    def _stop_clients_of_the_broker(self) -> None:
        """All at once, where supervisord's own shutdown goes one by one; the broker is for the end,
        because the others still flush to it and commit."""
        clients = [process.name for process in self.processes() if process.name != "broker"]
        for name in clients:
            with contextlib.suppress(StackFailed):  # it was not running
                self._stop_process(name)
        deadline = time.monotonic() + _STOP_TIMEOUT
        while time.monotonic() < deadline and any(
            process.name in clients and process.state in ("RUNNING", "STARTING", "STOPPING")
            for process in self.processes()
        ):
            time.sleep(0.05)

    def _stop_process(self, name: str) -> None:
        self._call(lambda rpc: rpc.stopProcess(name, False))

    def _call(self, call: Callable[[Any], Any]) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._stack.socket}")
        try:
            return call(xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor)
        except xmlrpc.client.Fault as fault:
            raise StackFailed(f"supervisord refuses: {fault.faultString}") from None
        except (OSError, http.client.HTTPException) as error:
            raise StackFailed(f"supervisord does not answer on {self._stack.socket} ({error})") from None
        finally:
            transport.close()


def stack_processes(stack: Stack) -> list[psutil.Process]:
    """Every process that was started for ``stack``, its supervisord among them."""
    marker = str(stack.run_dir)
    return [process for process in _own_processes() if _marker(process) == marker]


def _own_processes() -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.uids().real == os.getuid():
                yield process


def _marker(process: psutil.Process) -> str | None:
    try:
        return str(process.environ().get(STACK_MARKER))
    except (psutil.Error, OSError):
        return None


def _signal_all(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _private_directory(path: Path) -> None:
    """Make ``path`` ours alone; another user may have put something there under a guessed name."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if status.st_uid != os.getuid() or path.is_symlink():
        raise ConfigurationError(f"{path} belongs to another user; choose a shorter DATA_DIR")
    path.chmod(0o700)


def _write_private(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
