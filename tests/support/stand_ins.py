"""The images that stand in for those of a registry (``tests/compose/stand_ins``, one folder each)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.support.engine import Engine
from tests.support.engine_images import ROOT, base_image, build_image

FOLDER = ROOT / "tests" / "compose" / "stand_ins"
OVERRIDE = ROOT / "tests" / "compose" / "stand-ins.yml"
_PREFIX = "live-rag-stand-ins"
_ON_DEBIAN = ("redis", "haproxy", "prometheus", "redis-exporter")
_ON_PYTHON = ("kafka", "ollama", "grafana", "jaeger", "kafka-exporter")
_SHARED_FILES = {"ollama": [ROOT / "tests" / "support" / "ollama_protocol.py"]}
"""Files from elsewhere that a folder's Dockerfile copies."""


def stand_in(name: str) -> str:
    """The tag that ``stand-ins.yml`` knows it by."""
    return f"{_PREFIX}/{name}:latest"


def build_stand_ins(engine: Engine) -> None:
    """All of them; what has not changed comes from the engine's cache."""
    bases = {"BASE": base_image(engine), "BUILD": build_image(engine)}
    # Both wait for a network most of the time.
    with ThreadPoolExecutor(2) as pool:
        debian = pool.submit(_build, engine, "common-debian", {"BASE": bases["BASE"]})
        python = pool.submit(_build, engine, "common-python", bases)
    for names, common in ((_ON_DEBIAN, debian.result()), (_ON_PYTHON, python.result())):
        for name in names:
            _build(engine, name, {"BASE": common})


def _build(engine: Engine, name: str, arguments: dict[str, str]) -> str:
    options = [part for item in arguments.items() for part in ("--build-arg", "=".join(item))]
    with _context(name) as context:
        return engine.build(context, stand_in(name), *options)


@contextmanager
def _context(name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="stand-in-") as folder:
        context = Path(folder) / name
        shutil.copytree(FOLDER / name, context, ignore=shutil.ignore_patterns("__pycache__"))
        for file in _SHARED_FILES.get(name, []):
            shutil.copy2(file, context)
        yield context
