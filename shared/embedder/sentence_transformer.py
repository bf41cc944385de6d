"""Embeddings from a sentence-transformers model, by torch, on this machine; nothing is downloaded."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.embedder.bundled import BUNDLED_MODEL, bundled_model_folder
from shared.errors import ConfigurationError, ModelMissing

if TYPE_CHECKING:
    from shared.ports import Embeddings

_NOWHERE = "neither bundled, nor a folder, nor in the Hugging Face cache"


class SentenceTransformerEmbedder:
    """Loading takes seconds and happens here, in the constructor.

    :raises ModelMissing: the weights are not on this machine.
    :raises ConfigurationError: torch is not installed.
    """

    def __init__(self, model: str, *, batch_size: int = 32, threads: int | None = None) -> None:
        """``model``: ``all-MiniLM-L6-v2`` (bundled), a folder, or the name of a model in the Hugging
        Face cache. ``threads``: processor threads for the model, of all in this process; ``None``: as
        many as there are cores."""
        self._name = (Path(model).resolve() if Path(model).is_dir() else Path(model)).name
        self._batch_size = batch_size
        self._model = _load(model, threads)
        self._lock = threading.Lock()
        self._tokenizer = _counting_tokenizer(self._model.tokenizer)
        self._dimension = int(self._model.get_embedding_dimension())
        special = self._model.tokenizer.num_special_tokens_to_add(pair=False)
        self._max_tokens = int(self._model.max_seq_length) - int(special)

    @property
    def name(self) -> str:
        return self._name

    @property
    def dimension(self) -> int:
        return self._dimension

    @property
    def max_tokens(self) -> int:
        return self._max_tokens

    def embed(self, texts: Sequence[str]) -> Embeddings:
        if not texts:
            return np.empty((0, self._dimension), dtype=np.float32)
        with self._lock:
            embeddings: Embeddings = self._model.encode(
                list(texts),
                batch_size=self._batch_size,
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        return embeddings.astype(np.float32, copy=False)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(encoding) for encoding in encodings]


def _load(model: str, threads: int | None) -> Any:
    # Read when the libraries are imported, which is why those imports stand below.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import torch
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar
    except ImportError as error:
        raise ConfigurationError(
            f"EMBEDDER_BACKEND=torch: the package {error.name} is not installed; run "
            f"pip install -c constraints.txt '.[torch]', or set EMBEDDER_BACKEND=openvino"
        ) from None

    disable_progress_bar()  # type: ignore[no-untyped-call]
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        return SentenceTransformer(_locate(model), device="cpu", local_files_only=True)
    except (OSError, ValueError, SafetensorError) as error:
        why = str(error).partition("\n")[0] if Path(model).is_dir() else _NOWHERE
        raise _missing(model, why) from error


def _locate(model: str) -> str:
    if model == BUNDLED_MODEL:
        return str(bundled_model_folder(model))
    if Path(model).is_dir():
        return str(Path(model))
    return model


def _missing(model: str, why: str) -> ModelMissing:
    return ModelMissing(
        f"EMBEDDER_MODEL={model}: no usable weights on this machine ({why}); set "
        f"EMBEDDER_MODEL={BUNDLED_MODEL}, or name a folder with a sentence-transformers model"
    )


def _counting_tokenizer(tokenizer: Any) -> Any:
    """A copy of the fast tokenizer: encoding sets truncation and padding on the model's own."""
    from tokenizers import Tokenizer

    copy = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy
