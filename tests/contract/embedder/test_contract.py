from __future__ import annotations

import pytest

from shared.embedder.factory import build_embedder
from shared.embedder.hashing import HashingEmbedder
from shared.embedder.micro_batches import MicroBatchingEmbedder
from shared.embedder.onnx_embedder import OnnxEmbedder
from shared.embedder.sentence_transformer import SentenceTransformerEmbedder
from shared.ports import Embedder
from shared.settings import EmbedderSettings
from tests.contract.embedder.contract import EmbedderContract


class TestHashing(EmbedderContract):
    @pytest.fixture
    def embedder(self) -> Embedder:
        return HashingEmbedder()


class ModelContract(EmbedderContract):
    """What holds for all-MiniLM-L6-v2, whatever runs it."""

    @pytest.mark.parametrize(
        ("text", "near", "far"),
        [
            ("The president resigned", "Head of state steps down", "Goals decided tonight's football match"),
            ("A quake shook the town", "Strong tremors were felt by residents", "The bakery opens at nine"),
            ("Who won the vote?", "The candidate was elected mayor", "Rain is expected in the north"),
        ],
    )
    def test_meaning_counts_where_no_word_is_shared(
        self, embedder: Embedder, text: str, near: str, far: str
    ) -> None:
        embedding, near_embedding, far_embedding = embedder.embed([text, near, far])
        assert float(embedding @ near_embedding) > float(embedding @ far_embedding)

    def test_it_is_the_model_that_the_settings_name(self, embedder: Embedder) -> None:
        assert (embedder.name, embedder.dimension, embedder.max_tokens) == ("all-MiniLM-L6-v2", 384, 254)

    def test_max_tokens_is_where_the_model_cuts(self, embedder: Embedder) -> None:
        full = "word " * embedder.max_tokens
        whole, same, shorter = (
            embedder.embed([text])[0]
            for text in (full, full + "earthquake", full[: -len("word ")] + "earthquake")
        )
        assert float(whole @ same) > 0.9999
        assert float(whole @ shorter) < 0.9999


class TestTorch(ModelContract):
    @pytest.fixture
    def embedder(self, torch_embedder: Embedder) -> Embedder:
        return torch_embedder


class TestOpenVino(ModelContract):
    @pytest.fixture
    def embedder(self, openvino_embedder: Embedder) -> Embedder:
        return openvino_embedder


class TestOnnxRuntime(ModelContract):
    @pytest.fixture
    def embedder(self, onnx_embedder: Embedder) -> Embedder:
        return onnx_embedder


class TestMicroBatches(ModelContract):
    @pytest.fixture
    def embedder(self, openvino_embedder: Embedder) -> Embedder:
        return MicroBatchingEmbedder(openvino_embedder, max_texts=16)


def test_the_factory_builds_what_the_settings_name(
    torch_embedder: Embedder, onnx_embedder: Embedder, openvino_embedder: Embedder
) -> None:
    assert isinstance(build_embedder(EmbedderSettings(EMBEDDER="hashing")), HashingEmbedder)  # type: ignore[call-arg]
    assert isinstance(torch_embedder, SentenceTransformerEmbedder)
    assert isinstance(onnx_embedder, OnnxEmbedder)
    assert isinstance(openvino_embedder, OnnxEmbedder)
