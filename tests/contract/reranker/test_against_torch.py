"""The scores are those of the model's authors: sentence-transformers runs the same weights with torch."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from shared.onnx.openvino_session import OpenVinoSession
from shared.ports import Reranker
from shared.reranker.cross_encoder import CrossEncoderReranker
from tests.contract.reranker.contract import RerankerContract
from tests.support.tiny_bert import save_bert_cross_encoder
from tests.support.tiny_cross_encoder import WORDS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert_cross_encoder(tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture(scope="module")
def bert(folder: Path) -> Reranker:
    return CrossEncoderReranker(str(folder), OpenVinoSession, threads=2)


class TestBert(RerankerContract):
    @pytest.fixture
    def reranker(self, bert: Reranker) -> Reranker:
        return bert


@pytest.mark.parametrize("seed", range(3))
def test_the_same_numbers(bert: Reranker, folder: Path, seed: int) -> None:
    """Of short pairs, long ones, and ones that are cut."""
    import torch
    from sentence_transformers import CrossEncoder

    rng = random.Random(seed)
    question = " ".join(rng.choices(WORDS, k=rng.randrange(1, 25)))
    texts = [" ".join(rng.choices(WORDS, k=rng.randrange(0, 120))) for _ in range(40)]
    reference = CrossEncoder(str(folder), device="cpu").predict(
        [(question, text) for text in texts], activation_fn=torch.nn.Identity(), show_progress_bar=False
    )
    assert max(reference) - min(reference) > 1, "the weights tell texts apart"
    assert bert.scores(question, texts) == pytest.approx(reference.tolist(), abs=1e-3)
