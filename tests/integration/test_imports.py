"""What a process must not load: the images of the services stay as small as their extras."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    *("torch", "faiss", "numpy", "sentence_transformers", "transformers", "fastapi", "xllamacpp"),
    *("openvino", "onnxruntime", "tokenizers"),
}


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("services.producer.__main__", set()),
        ("services.processor.__main__", {"numpy"}),
        ("services.api.__main__", {"numpy", "fastapi"}),
    ],
)
def test_importing_a_service_loads_nothing_heavy(module: str, allowed: set[str]) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & {HEAVY!r}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(found.split()) <= allowed
