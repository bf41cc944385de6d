"""A module of the tests in a process of its own, which speaks and takes its orders line by line."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0  # seconds, for what takes one where nothing else runs


@dataclass(frozen=True, slots=True)
class Child:
    process: subprocess.Popen[str]

    def line(self) -> str:
        """The next one it says; waits for it."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, f"{self.process.args} ended with {self.process.poll()}"
        return line.strip()

    def tell(self, line: str) -> None:
        """Does not wait for it to be done."""
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def obey(self, line: str) -> None:
        """Tell it, and wait until it says the same: it is done."""
        self.tell(line)
        assert self.line() == line

    def runs(self) -> bool:
        return self.process.poll() is None

    def status(self) -> int:
        """Of its exit; waits for it."""
        return self.process.wait(PATIENCE)

    def kill(self) -> list[str]:
        """Returns what it had said that was not yet read."""
        self.process.kill()
        self.process.wait(PATIENCE)
        assert self.process.stdout
        return self.process.stdout.read().split("\n")[:-1]


@contextlib.contextmanager
def child(module: str, *arguments: str) -> Iterator[Child]:
    """``python -m MODULE ARGUMENTS``, killed at the end if it is still there."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Child(process)
        finally:
            process.kill()


def say(line: str) -> None:
    """What the child's side calls."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
