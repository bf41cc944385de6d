"""A cross-encoder whose scores are known beforehand; and how its pairs are made, cut and batched."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import QuestionTooLong
from shared.onnx.onnxruntime_session import OnnxRuntimeSession
from shared.onnx.openvino_session import OpenVinoSession
from shared.onnx.session import SessionOpener
from shared.ports import Reranker
from shared.reranker.cross_encoder import CrossEncoderReranker
from shared.reranker.factory import build_reranker
from shared.settings import RerankerSettings
from tests.contract.reranker.contract import RerankerContract
from tests.support.tiny_cross_encoder import MAX_TOKENS, save_cross_encoder

SESSIONS = {"openvino": OpenVinoSession, "onnxruntime": OnnxRuntimeSession}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_cross_encoder(tmp_path_factory.mktemp("models") / "overlap")


def load(folder: Path, *, threads: int = 2) -> Reranker:
    return CrossEncoderReranker(str(folder), OpenVinoSession, threads=threads)


@pytest.mark.parametrize("session", SESSIONS)
class TestCrossEncoder(RerankerContract):
    @pytest.fixture
    def reranker(self, folder: Path, session: str) -> Reranker:
        opener: SessionOpener = SESSIONS[session]
        return CrossEncoderReranker(str(folder), opener, threads=2)


def test_question_and_passage_are_told_apart(folder: Path) -> None:
    """Only tokens of the question that the passage has count, not what stands twice in one of them."""
    scores = load(folder).scores(
        "Is the bridge open?", ["The bridge is open.", "A bridge, a bridge.", "Rain.", ""]
    )
    assert scores == [4.0, 1.0, 0.0, 0.0]


def test_two_logits_are_one_number(tmp_path: Path) -> None:
    two = save_cross_encoder(tmp_path / "two", labels=2)
    assert load(two).scores("Is the bridge open?", ["Rain.", "The bridge is open."]) == [0.0, 8.0]


def test_a_model_in_the_folder_that_exports_are_written_to(tmp_path: Path) -> None:
    nested = save_cross_encoder(tmp_path / "nested", name="onnx/model.onnx")
    assert load(nested).scores("bridge", ["bridge"]) == [1.0]


def test_the_passage_is_cut_and_the_question_whole(folder: Path) -> None:
    """[CLS] question [SEP] passage [SEP] in 32 tokens: 20 of the question leave 9 for the passage."""
    question = " ".join(["filler"] * 19 + ["bridge"])
    room = MAX_TOKENS - 3 - 20
    fits, cut = (" ".join(["river"] * before + ["bridge"]) for before in (room - 1, room))
    long = "bridge " + "river " * 100
    assert load(folder).scores(question, [fits, cut, long]) == [1.0, 0.0, 1.0]


def test_a_question_may_take_three_quarters_of_the_room(folder: Path) -> None:
    reranker = load(folder)
    assert reranker.scores("bridge " * 21, ["bridge"]) == [21.0]
    with pytest.raises(QuestionTooLong, match="22 tokens, where overlap reads 29"):
        reranker.scores("bridge " * 22, ["bridge"])


@pytest.mark.parametrize("threads", [1, 4])
def test_more_texts_than_a_batch_holds(folder: Path, threads: int) -> None:
    texts = ["bridge " * (number % 20) + "open " * (number % 2) for number in range(150)]
    expected = [float(number % 20 > 0) + number % 2 for number in range(150)]
    assert load(folder, threads=threads).scores("bridge open", texts) == expected


def test_the_factory_builds_what_the_settings_name(folder: Path) -> None:
    assert build_reranker(RerankerSettings()) is None
    settings = RerankerSettings(RERANKER="cross-encoder", model=str(folder))  # type: ignore[call-arg]
    reranker = build_reranker(settings)
    assert reranker is not None
    assert reranker.name == "overlap"
    assert reranker.scores("bridge", ["bridge", "rain"]) == [1.0, 0.0]
