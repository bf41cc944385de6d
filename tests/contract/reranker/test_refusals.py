"""Which models are no cross-encoders, and what is said of them: one line, at the start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from onnx import TensorProto

from shared.errors import ConfigurationError, ModelMissing
from shared.reranker.factory import build_reranker
from shared.settings import RerankerSettings
from tests.support.embedding_model import save_embedding_model
from tests.support.errors import assert_one_clear_line
from tests.support.tiny_cross_encoder import save_cross_encoder


def refusal(model: Path | str | None) -> str:
    settings = RerankerSettings(RERANKER="cross-encoder", model=model and str(model))  # type: ignore[call-arg]
    with pytest.raises(ModelMissing) as caught:
        build_reranker(settings)
    assert_one_clear_line(caught.value, "set RERANKER=none", "name a folder")
    assert str(caught.value).startswith(f"RERANKER_MODEL={model or ''}: ")
    return str(caught.value)


def test_no_model() -> None:
    assert "it is not set" in refusal(None)


def test_no_such_folder(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "nowhere")
    assert "no such folder" in refusal("./nowhere")


def test_an_empty_folder(tmp_path: Path) -> None:
    assert "model.onnx" in refusal(tmp_path)


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json", "tokenizer_config.json", "config.json"])
def test_a_damaged_file(tmp_path: Path, file: str) -> None:
    folder = save_cross_encoder(tmp_path / "model")
    (folder / file).write_bytes(b"damaged")
    assert file in refusal(folder)


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
def test_a_missing_file(tmp_path: Path, file: str) -> None:
    folder = save_cross_encoder(tmp_path / "model")
    (folder / file).unlink()
    assert file in refusal(folder)


def test_other_inputs(tmp_path: Path) -> None:
    folder = save_cross_encoder(tmp_path / "model", inputs=("words", "attention_mask", "token_type_ids"))
    assert "words" in refusal(folder)
    assert "input_ids" in refusal(folder)


def test_an_embedding_model(tmp_path: Path) -> None:
    assert "has 2 axes" in refusal(save_embedding_model(tmp_path / "embeddings"))


def test_states_instead_of_logits(tmp_path: Path) -> None:
    assert "has 2 axes" in refusal(save_cross_encoder(tmp_path / "model", axes=3))


def test_a_classifier_of_three(tmp_path: Path) -> None:
    assert "3 outputs for a pair" in refusal(save_cross_encoder(tmp_path / "model", labels=3))


def test_other_integers(tmp_path: Path) -> None:
    """It loads, and fails at its first run."""
    refusal(save_cross_encoder(tmp_path / "model", integers=TensorProto.STRING))


def test_a_name_that_is_none() -> None:
    assert "neither a folder nor the name of a repository" in refusal("no such: model")


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_cross_encoder(tmp_path / "model")
    for package, model in (("openvino", str(folder)), ("huggingface_hub", "somebody/reranker")):
        monkeypatch.setitem(sys.modules, package, None)
        settings = RerankerSettings(RERANKER="cross-encoder", model=model)  # type: ignore[call-arg]
        with pytest.raises(ConfigurationError, match=r"^RERANKER=cross-encoder: ") as caught:
            build_reranker(settings)
        assert_one_clear_line(caught.value, "pip install", package.replace("_", "-"))
