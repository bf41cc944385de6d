"""Which models are no readers, and what is said of them: one line, at the start. What every model that reads
pairs is refused for, ``tests/contract/reranker`` has."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from shared.errors import ConfigurationError, ModelMissing
from shared.reader.factory import build_reader
from shared.settings import ReaderSettings
from tests.support.embedding_model import save_embedding_model
from tests.support.errors import assert_one_clear_line
from tests.support.tiny_cross_encoder import save_cross_encoder
from tests.support.tiny_reader import save_reader


def settings_for(model: Path | str | None) -> ReaderSettings:
    return ReaderSettings(READER="question-answering", model=model and str(model))  # type: ignore[call-arg]


def refusal(model: Path | str | None) -> str:
    with pytest.raises(ModelMissing) as caught:
        build_reader(settings_for(model))
    assert_one_clear_line(caught.value, "set READER=none", "name a folder")
    assert str(caught.value).startswith(f"READER_MODEL={model or ''}: cannot be used as a reader ")
    return str(caught.value)


def test_no_model(tmp_path: Path) -> None:
    assert "it is not set" in refusal(None)
    assert "no such folder" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
def test_a_missing_file(tmp_path: Path, file: str) -> None:
    folder = save_reader(tmp_path / "model")
    (folder / file).unlink()
    assert file in refusal(folder)


def test_other_inputs(tmp_path: Path) -> None:
    assert "words" in refusal(save_reader(tmp_path / "model", inputs=("words", "attention_mask")))


def test_a_cross_encoder(tmp_path: Path) -> None:
    assert "not start_logits and end_logits" in refusal(save_cross_encoder(tmp_path / "model"))


def test_an_embedding_model(tmp_path: Path) -> None:
    assert "not start_logits and end_logits" in refusal(save_embedding_model(tmp_path / "embeddings"))


def test_a_number_for_each_pair(tmp_path: Path) -> None:
    assert "not one number for each token" in refusal(save_reader(tmp_path / "model", per_token=False))


def test_nothing_before_the_question(tmp_path: Path) -> None:
    assert "nothing before the question" in refusal(save_reader(tmp_path / "model", leads=False))


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_reader(tmp_path / "model")
    for package, model in (("openvino", str(folder)), ("huggingface_hub", "somebody/reader")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ConfigurationError, match=r"^READER=question-answering: ") as caught:
            build_reader(settings_for(model))
        assert_one_clear_line(caught.value, "pip install", package.replace("_", "-"))
