"""A file for this process alone. Replicas that share a data directory take numbered ones beside it."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from shared.errors import ConfigurationError

_MOST_REPLICAS = 64


@dataclass(frozen=True, slots=True)
class ClaimedFile:
    """Held until ``release``, or until this process ends."""

    path: Path
    _lock: int

    def empty(self) -> None:
        """Remove it and what SQLite keeps beside it."""
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def release(self) -> None:
        os.close(self._lock)


def claim_file(path: Path) -> ClaimedFile:
    """``path``, or ``path`` with a number if another process holds it.

    :raises ConfigurationError: no such file can be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for number in range(1, _MOST_REPLICAS + 1):
            candidate = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
            lock = os.open(candidate.with_name(candidate.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            return ClaimedFile(candidate, lock)
    except OSError as error:
        raise ConfigurationError(f"DATA_DIR: {path.parent} cannot be written ({error.strerror})") from error
    raise ConfigurationError(f"DATA_DIR: {_MOST_REPLICAS} processes use {path} already")
