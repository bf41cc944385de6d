"""A repository of the hub as RERANKER_MODEL, against a server that speaks the hub's protocol."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.hub_server import hub_of
from tests.support.tiny_cross_encoder import save_cross_encoder

ROOT = Path(__file__).resolve().parents[3]
NEEDED = {"onnx/model.onnx", "tokenizer.json", "tokenizer_config.json", "config.json"}
PROGRAM = """
import sys
from shared.errors import ConfigurationError
from shared.reranker.factory import build_reranker
from shared.settings import RerankerSettings
try:
    reranker = build_reranker(RerankerSettings())
    print(reranker.name, reranker.scores("bridge", ["bridge", "rain"]))
except ConfigurationError as error:
    print(error)
print(*sorted(set(sys.modules) & {"torch", "transformers"}))
"""


def start(cache: Path, model: str, hub: str, *, offline: bool = False) -> str:
    """What a process that loads it says."""
    environment = {
        "RERANKER": "cross-encoder",
        "RERANKER_MODEL": model,
        "HF_HUB_OFFLINE": str(int(offline)),
        "HF_ENDPOINT": hub,
        "HF_HUB_CACHE": str(cache),
        "no_proxy": "127.0.0.1",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    said, heavy = done.stdout.splitlines()
    assert heavy == ""
    return said


def test_it_is_fetched_once_and_only_what_is_needed(tmp_path: Path) -> None:
    published = save_cross_encoder(tmp_path / "published", name="onnx/model.onnx")
    for name in ("pytorch_model.bin", "model.safetensors", "onnx/model_O4.onnx", "own.py"):
        (published / name).write_text("{}")
    cache = tmp_path / "cache"
    with hub_of("someone/tiny", published) as hub:
        refused = start(cache, "someone/tiny", hub.url, offline=True)
        assert refused.startswith("RERANKER_MODEL=someone/tiny: ")
        assert "cannot be fetched" in refused
        for status in (503, 404):
            hub.refuse = status
            refused = start(cache, "someone/tiny", hub.url)
            assert refused.startswith("RERANKER_MODEL=someone/tiny: ")
            assert "cannot be fetched" in refused
        hub.refuse = None
        assert start(cache, "someone/tiny", hub.url) == "someone/tiny [1.0, 0.0]"
        assert hub.fetched == NEEDED
        before = hub.requests
        assert start(cache, "someone/tiny", hub.url) == "someone/tiny [1.0, 0.0]"
        assert hub.requests == before
    assert start(cache, "someone/tiny", "http://127.0.0.1:9", offline=True) == "someone/tiny [1.0, 0.0]"
