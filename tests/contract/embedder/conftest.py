"""The bundled model, loaded once by each backend."""

from __future__ import annotations

import pytest

from shared.embedder.factory import build_embedder
from shared.ports import Embedder
from shared.settings import EmbedderSettings


@pytest.fixture(scope="session")
def torch_embedder() -> Embedder:
    return build_embedder(EmbedderSettings(backend="torch"))


@pytest.fixture(scope="session")
def onnx_embedder() -> Embedder:
    return build_embedder(EmbedderSettings(backend="onnx"))


@pytest.fixture(scope="session")
def openvino_embedder() -> Embedder:
    return build_embedder(EmbedderSettings(backend="openvino"))
