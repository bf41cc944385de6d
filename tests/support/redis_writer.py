"""A writer in a process of its own: ``python -m tests.support.redis_writer MODE URL [ARGUMENT]``.

Modes and argument as in ``tests.contract.vector_store.writer``.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from shared.settings import VectorStoreSettings
from shared.vector_store.redis_store.store import RedisStore, open_redis_store
from tests.contract.vector_store.builders import DIMENSION
from tests.contract.vector_store.writer import MODES

ROOT = Path(__file__).resolve().parents[2]


def settings_for(url: str, **changed: object) -> VectorStoreSettings:
    values: dict[str, object] = {"redis_url": url, "redis_shards": 3, "redis_timeout_seconds": 20.0}
    return VectorStoreSettings.model_validate(values | changed)


def open_store(url: str, **changed: object) -> RedisStore:
    return open_redis_store(settings_for(url, **changed), embedder_name="test", dimension=DIMENSION)


@contextlib.contextmanager
def writer(mode: str, url: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Killed at the end, if it is still there."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.redis_writer", mode, url, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    line = process.stdout.readline()
    assert line, f"the writer ended with {process.poll()}"
    return line.strip()


if __name__ == "__main__":
    opened = open_store(sys.argv[2])
    MODES[sys.argv[1]](opened)
    opened.close()
