"""Processes of the stack that a test kills, freezes and starts again, as a supervisor would."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

GRACE_SECONDS = 30.0
_LEAST_SECONDS_BETWEEN_STARTS = 2.0


class StackProcess:
    """One program, run again and again; all its runs write to one log."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self.wanted = False
        """Whether it should be running; ``revive`` starts it again if it is not."""
        self._command = command
        self._environment = {**os.environ, **(environment or {})}
        self.frozen = False
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        assert not self.alive, f"{self.name} is running already"
        self.wanted, self.frozen = True, False
        self._started = time.monotonic()
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=self._environment,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL: as a crash would, nothing is written or said any more."""
        self.wanted = False
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def ask_to_stop(self) -> None:
        """SIGTERM, without waiting for the end."""
        self.wanted = False
        self._signal(signal.SIGTERM)

    def stop(self, grace: float = GRACE_SECONDS) -> int:
        """SIGTERM; the exit code.

        :raises AssertionError: it did not end within ``grace`` seconds; it is killed then.
        """
        self.ask_to_stop()
        if self._process is None:
            return 0
        try:
            return self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {grace} s of SIGTERM") from None

    def freeze(self) -> None:
        """SIGSTOP: it keeps its connections, and does nothing until ``thaw``."""
        self.frozen = True
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.frozen = False
        self._signal(signal.SIGCONT)

    def revive(self) -> int | None:
        """Start it again if it ended by itself; the exit code of that end, ``None`` if there was none."""
        if not self.wanted or self._process is None or self.alive:
            return None
        if time.monotonic() < self._started + _LEAST_SECONDS_BETWEEN_STARTS:
            return None
        code = self._process.returncode
        self.start()
        return code

    def output(self) -> str:
        """Of all its runs so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def last_lines(self, count: int = 10, width: int = 400) -> str:
        return "\n".join(line[:width] for line in self.output().splitlines()[-count:])

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)


@contextlib.contextmanager
def killed_at_the_end(*processes: StackProcess) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def service(name: str, module: str, folder: Path, environment: Mapping[str, str]) -> StackProcess:
    """``python -m module``; its log is ``folder/name.log``."""
    return StackProcess(name, (sys.executable, "-m", module), folder / f"{name}.log", environment)
