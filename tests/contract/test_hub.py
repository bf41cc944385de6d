"""A repository of the hub as RERANKER_MODEL and READER_MODEL, against a server with the hub's protocol."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.hub_server import hub_of
from tests.support.tiny_cross_encoder import save_cross_encoder
from tests.support.tiny_reader import save_reader

ROOT = Path(__file__).resolve().parents[2]
NEEDED = {"onnx/model.onnx", "tokenizer.json", "tokenizer_config.json", "config.json"}
NAME = "someone/tiny"
PROGRAM = """
import sys
from shared.errors import ConfigurationError
from shared.{family}.factory import build_{family}
from shared.settings import {settings}
try:
    model = build_{family}({settings}())
    print(model.name, {use})
except ConfigurationError as error:
    print(error)
print(*sorted(set(sys.modules) & {{"torch", "transformers"}}))
"""


@dataclass(frozen=True)
class Family:
    """``use``: Python that ``expected`` is printed by."""

    prefix: str
    kind: str
    settings: str
    publish: Callable[[Path], Path]
    use: str
    expected: str

    def start(self, cache: Path, hub: str, *, offline: bool = False) -> str:
        """What a process that loads it says."""
        environment = {
            self.prefix: self.kind,
            f"{self.prefix}_MODEL": NAME,
            "HF_HUB_OFFLINE": str(int(offline)),
            "HF_ENDPOINT": hub,
            "HF_HUB_CACHE": str(cache),
            "no_proxy": "127.0.0.1",
        }
        program = PROGRAM.format(family=self.prefix.lower(), settings=self.settings, use=self.use)
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        said, heavy = done.stdout.splitlines()
        assert heavy == ""
        return said


FAMILIES = [
    Family(
        prefix="RERANKER",
        kind="cross-encoder",
        settings="RerankerSettings",
        publish=lambda folder: save_cross_encoder(folder, name="onnx/model.onnx"),
        use='model.scores("bridge", ["bridge", "rain"])',
        expected="[1.0, 0.0]",
    ),
    Family(
        prefix="READER",
        kind="question-answering",
        settings="ReaderSettings",
        publish=lambda folder: save_reader(folder, name="onnx/model.onnx"),
        use='[span.null_odds for span in model.read("bridge", ["alpha omega bridge", "bridge"])]',
        expected="[-12.0, 4.0]",
    ),
]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.prefix)
def test_it_is_fetched_once_and_only_what_is_needed(tmp_path: Path, family: Family) -> None:
    published = family.publish(tmp_path / "published")
    for name in ("pytorch_model.bin", "model.safetensors", "onnx/model_O4.onnx", "own.py"):
        (published / name).write_text("{}")
    cache = tmp_path / "cache"
    with hub_of(NAME, published) as hub:
        refused = family.start(cache, hub.url, offline=True)
        assert refused.startswith(f"{family.prefix}_MODEL={NAME}: ")
        assert "cannot be fetched" in refused
        for status in (503, 404):
            hub.refuse = status
            refused = family.start(cache, hub.url)
            assert refused.startswith(f"{family.prefix}_MODEL={NAME}: ")
            assert "cannot be fetched" in refused
        hub.refuse = None
        assert family.start(cache, hub.url) == f"{NAME} {family.expected}"
        assert hub.fetched == NEEDED
        before = hub.requests
        assert family.start(cache, hub.url) == f"{NAME} {family.expected}"
        assert hub.requests == before
    assert family.start(cache, "http://127.0.0.1:9", offline=True) == f"{NAME} {family.expected}"
